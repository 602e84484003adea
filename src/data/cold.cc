#include "data/cold.h"

#include <utility>

#include "data/list/run.h"
#include "data/stream/cold_runs.h"

namespace runnel {

std::shared_ptr<const BlockRun> BlockRun::Load(RunKind kind, Decoder* in) {
  switch (kind) {
    case RunKind::kStream: {
      HotLog log;
      if (!log.Load(in) || log.length() == 0) return nullptr;
      return std::make_shared<const EntryRun>(std::move(log));
    }
    case RunKind::kList:
      return ListRun::Load(in);
  }
  return nullptr;
}

}  // namespace runnel
