#pragma once

// For tests: a source of cold entries that keeps them as bytes in memory, and loses what was loaded
// when it is told to.

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "data/cold.h"
#include "data/stream/hot_blocks.h"

namespace runnel {

class FakeColdSource final : public ColdSource {
 public:
  class Extent final : public ColdExtent {
   public:
    Extent(FakeColdSource* source, const BlockRun& run)
        : ColdExtent(source, run.kind(), static_cast<uint32_t>(run.block_bytes()),
                     static_cast<uint32_t>(run.blocks())),
          source_(source) {
      Encoder out(&payload_);
      run.Serialize(&out);
      source_->extents_.insert(this);
    }
    ~Extent() override { source_->extents_.erase(this); }
    void Describe(Encoder* out) const override { out->Fixed(reinterpret_cast<uintptr_t>(this)); }

    std::shared_ptr<const BlockRun> Parse() const {
      Decoder in(payload_);
      std::shared_ptr<const BlockRun> run = BlockRun::Load(kind(), &in);
      CHECK(run != nullptr && in.done());
      return run;
    }
    void Load() {
      if (held_) return;
      held_ = Parse();
      loaded_ = held_.get();
    }
    void Evict() {
      loaded_ = nullptr;
      held_.reset();
    }

   private:
    FakeColdSource* const source_;
    std::string payload_;
    std::shared_ptr<const BlockRun> held_;
  };

  ~FakeColdSource() override { CHECK(extents_.empty()); }

  Ref<ColdExtent> Write(const BlockRun& run) {
    return Ref<ColdExtent>::Adopt(new Extent(this, run));
  }
  // Nothing is in memory any more.
  void EvictAll() {
    for (Extent* extent : extents_) {
      extent->Evict();
    }
  }
  size_t extents() const { return extents_.size(); }
  // Takes all sealed blocks of all values, in runs of about this size.
  void Take(HotBlocks* hot, size_t run_bytes) {
    while (Spillable* value = hot->Largest()) {
      const auto runs = value->TakeRuns(run_bytes, SIZE_MAX);
      if (runs.empty()) {
        hot->PassOver(value);
        continue;
      }
      std::vector<Spillable::Written> written;
      for (const auto& run : runs) {
        written.push_back({run, Write(*run)});
      }
      value->NoteWriting(&value);
      value->NoteWriting(nullptr);
      value->GiveAway(written);
    }
  }

  // What is not in memory is missed instead of loaded.
  bool misses = false;
  uint64_t fetches = 0;
  uint64_t expected = 0;
  uint64_t looks = 0;  // into what is in memory

  // Runs `what`, from the start again after each miss.
  template <class What>
  void WithMisses(What what) {
    misses = true;
    for (;;) {
      try {
        what();
        break;
      } catch (const ColdMiss& miss) {
        CHECK(!miss.missing.empty() || !miss.passing.empty());
        Load(miss.missing);
        Load(miss.passing);
      }
    }
    misses = false;
  }

  void Fetch(const ColdExtents& extents) override {
    fetches++;
    if (misses) throw ColdMiss{extents};
    Load(extents);
  }
  std::shared_ptr<const BlockRun> Pass(const ColdExtents& window) override {
    fetches++;
    const auto& first = static_cast<const Extent&>(*window.front());
    if (misses && first.loaded() == nullptr) throw ColdMiss{{}, window};
    return first.Parse();
  }
  void NoteUse(const ColdExtent&) override { looks++; }
  void Expect(const ColdExtents& extents) override { expected += extents.size(); }
  std::shared_ptr<const BlockRun> Read(const ColdExtent& extent) override {
    return static_cast<const Extent&>(extent).Parse();
  }
  Ref<ColdExtent> Resolve(Decoder* in) override {
    auto* extent = reinterpret_cast<Extent*>(in->Fixed<uintptr_t>());
    if (!extents_.contains(extent)) return {};
    extent->AddRef();
    return Ref<ColdExtent>::Adopt(extent);
  }

  static void Load(const ColdExtents& extents) {
    for (const Ref<ColdExtent>& extent : extents) {
      static_cast<Extent&>(*extent).Load();
    }
  }

 private:
  std::set<Extent*> extents_;
};

}  // namespace runnel
