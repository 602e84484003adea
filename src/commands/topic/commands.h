#pragma once

#include "commands/context.h"

namespace runnel::commands {

// The commands on topics, for the table in commands.cc.

// admin.cc
void TopicCreateCommand(Context& context);
void TopicAlter(Context& context);
void TopicDelete(Context& context);
void TopicTrim(Context& context);

// describe.cc
void TopicList(Context& context);
void TopicDescribe(Context& context);
void TopicOffsets(Context& context);
void TopicHelp(Context& context);

// add.cc
void TAdd(Context& context);
void TAddM(Context& context);

// producer.cc
void TProducerOpen(Context& context);
void TProducerList(Context& context);
void TProducerClose(Context& context);
void TProducerHelp(Context& context);

// read.cc
void TRead(Context& context);

}  // namespace runnel::commands
