#pragma once

#include "commands/context.h"

// The subcommands of CLIENT, for the table in client_commands.cc.

namespace runnel::commands {

// client_commands_self.cc: what a client says and asks about itself
void ClientId(Context& context);
void ClientGetName(Context& context);
void ClientSetName(Context& context);
void ClientSetInfo(Context& context);
void ClientShowInfo(Context& context);
void ClientReply(Context& context);
void ClientAcks(Context& context);
void ClientNoEvict(Context& context);
void ClientNoTouch(Context& context);
void ClientTracking(Context& context);
void ClientTrackingInfo(Context& context);
void ClientCaching(Context& context);
void ClientGetRedir(Context& context);

// client_commands_others.cc: what it does about others
void ClientList(Context& context);
void ClientKill(Context& context);
void ClientUnblock(Context& context);
void ClientPause(Context& context);
void ClientUnpause(Context& context);

}  // namespace runnel::commands
