#pragma once

#include "commands/context.h"

// Commands that look at the broker, for the table in introspection_commands.cc.

namespace runnel::commands {

// introspection_commands_table.cc: which commands there are
void CommandAll(Context& context);
void CommandCount(Context& context);
void CommandDocs(Context& context);
void CommandGetKeys(Context& context);
void CommandGetKeysAndFlags(Context& context);
void CommandInfo(Context& context);
void CommandList(Context& context);
void AclCat(Context& context);

// introspection_commands_slow.cc: what took long, and what happens
void SlowLogGet(Context& context);
void SlowLogLen(Context& context);
void SlowLogReset(Context& context);
void LatencyDoctor(Context& context);
void LatencyGraph(Context& context);
void LatencyHistogram(Context& context);
void LatencyHistory(Context& context);
void LatencyLatest(Context& context);
void LatencyReset(Context& context);
void Monitor(Context& context);

// introspection_commands_state.cc: what the server is and how it stands
void Time(Context& context);
void Role(Context& context);
void WaitReplicas(Context& context);
void WaitAof(Context& context);
void AclWhoAmI(Context& context);
void ModuleList(Context& context);
void RefuseCluster(Context& context);
void LolWut(Context& context);

}  // namespace runnel::commands
