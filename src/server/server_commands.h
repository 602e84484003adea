#pragma once

#include "commands/context.h"

// Commands about the server, for the table in server_commands.cc.

namespace runnel::commands {

// server_commands_config.cc: CONFIG
void ConfigGet(Context& context);
void ConfigSet(Context& context);
void ConfigResetStat(Context& context);
void ConfigRewrite(Context& context);

// server_commands_memory.cc: MEMORY
void MemoryDoctor(Context& context);
void MemoryMallocStats(Context& context);
void MemoryPurge(Context& context);
void MemoryStats(Context& context);
void MemoryUsage(Context& context);

// server_commands_state.cc: INFO and SHUTDOWN
void Info(Context& context);
void Shutdown(Context& context);

// server_commands_replication.cc: leading and following
void Failover(Context& context);
void ReplicaOf(Context& context);
void RefuseRedisReplication(Context& context);
void ReplicationFollow(Context& context);
void ReplicationForget(Context& context);
void ReplicationHistory(Context& context);
void ReplicationLeader(Context& context);
void ReplicationMembers(Context& context);
void ReplicationStatus(Context& context);
void Role(Context& context);

// server_commands_save.cc: snapshots
void BgRewriteAof(Context& context);
void BgSave(Context& context);
void LastSave(Context& context);
void Save(Context& context);

}  // namespace runnel::commands
