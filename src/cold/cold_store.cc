#include "cold/cold_store.h"

namespace runnel {

ColdStore::ColdStore(Disk& disk, std::string directory, Worker& writer, Worker& reader,
                     Worker& syncer, HotBlocks& hot, const ColdSettings& settings,
                     const ColdSizes& sizes)
    : settings_(settings),
      sizes_(sizes),
      files_(disk, std::move(directory), writer, syncer),
      command_(settings),
      reader_(files_, reader, command_, settings, sizes_),
      writer_(this, files_, writer, hot, settings, sizes_),
      snapshots_(files_, writer, syncer, settings, sizes_) {}

Status ColdStore::Open() {
  reader_.Reset();
  writer_.Reset();
  snapshots_.Reset();
  return files_.List();
}

void ColdStore::EndTurn(int64_t steady_ms) {
  reader_.EndTurn();
  files_.EndTurn(steady_ms);
  writer_.EndTurn(steady_ms);
}

void ColdStore::KeepUp(int64_t steady_ms) {
  if (writer_.excess() == 0) return;
  EndTurn(steady_ms);
  while (writer_.busy() && writer_.excess() > sizes_.far_behind) {
    writer_.Drain();
    EndTurn(steady_ms);
  }
}

Ref<ColdExtent> ColdStore::Resolve(Decoder* in) {
  return Ref<ColdExtent>::Adopt(files_.Resolve(this, in).Release());
}

ColdStats ColdStore::stats() const {
  return {.files_bytes = files_.bytes(),
          .files = files_.count(),
          .cache_bytes = reader_.cache_bytes(),
          .reads = reader_.reads(),
          .ahead_hits = reader_.ahead_hits(),
          .blocking_reads = command_.blocking_reads(),
          .writes = writer_.writes(),
          .bytes_in_flight = writer_.bytes_in_flight()};
}

}  // namespace runnel
