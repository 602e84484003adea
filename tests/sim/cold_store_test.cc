// The store of cold entries on a disk that fails when it is told to.

#include "cold/cold_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/stream/model.h"
#include "tests/sim/cold_fixture.h"
#include "tests/sim/files.h"

namespace runnel::sim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ColdStoreTest : public ::testing::Test {
 protected:
  ColdStoreTest() { stream_->Attach(&world_.hot); }

  void Append(Stream& stream, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
      const std::string value = "value " + std::to_string(stream.entries_added());
      const std::vector<std::string_view> fields = {"n", value, "padding", kPadding};
      stream.Append({stream.last_id().ms + 1, 0}, fields, {});
    }
  }
  void Append(uint64_t count) { Append(*stream_, count); }
  // The numbers of all live entries.
  static std::vector<uint64_t> Numbers(const Stream& stream) {
    std::vector<uint64_t> numbers;
    for (EntryCursor at = stream.Seek(StreamId::Min()); at.valid(); at.Next()) {
      EXPECT_EQ(at->begin()->value, "value " + std::to_string(at->id().ms - 1));
      numbers.push_back(at->id().ms - 1);
    }
    return numbers;
  }
  static std::vector<uint64_t> Range(uint64_t begin, uint64_t end) {
    std::vector<uint64_t> numbers;
    for (; begin < end; begin++) {
      numbers.push_back(begin);
    }
    return numbers;
  }
  std::vector<std::string> Files() { return world_.Files(); }
  ColdExtents Extents() const {
    ColdExtents extents;
    stream_->AddExtents(&extents);
    return extents;
  }
  std::string FailureOf(const Stream& stream) {
    try {
      Numbers(stream);
    } catch (const ColdFailure& failure) {
      return failure.message;
    }
    return "";
  }

  static constexpr std::string_view kPadding =
      "the quick brown fox jumps over the lazy dog, again and again and again, and never rests";
  ColdWorld world_{1};
  std::unique_ptr<Stream> stream_ = std::make_unique<Stream>();
};

TEST_F(ColdStoreTest, HoldsTheBoundAndReadsEverythingBack) {
  for (const Codec codec : {Codec::kNone, Codec::kLz4, Codec::kZstd}) {
    world_.settings.compression = codec;
    for (int i = 0; i < 20; i++) {
      Append(50);
      world_.Settle();
      EXPECT_LE(world_.hot.bytes(), world_.settings.stream_memory + 4096);
    }
  }
  EXPECT_GT(stream_->cold_entries(), 2000u);
  EXPECT_EQ(Numbers(*stream_), Range(0, 3000));
  EXPECT_GT(world_.store->stats().blocking_reads, 10u);
  world_.Settle();
  EXPECT_LE(world_.store->stats().cache_bytes, ColdWorld::kSizes.least_cache);
  EXPECT_EQ(world_.store->stats().files, Files().size());
}

TEST_F(ColdStoreTest, NoBoundKeepsEverythingInMemory) {
  world_.settings.stream_memory = 0;
  Append(3000);
  world_.Settle();
  EXPECT_EQ(stream_->cold_entries(), 0u);
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(ColdStoreTest, FilesGoWithTheirLastEntryAndAreNotReadForIt) {
  Append(3000);
  world_.Settle();
  const size_t files = Files().size();
  ASSERT_GT(files, 3u);
  const uint64_t blocking = world_.store->stats().blocking_reads;
  stream_->DropOldest(2000);
  world_.Settle();
  EXPECT_LT(Files().size(), files);
  EXPECT_GT(Files().size(), 0u);
  EXPECT_LE(world_.store->stats().blocking_reads, blocking + 1);
  EXPECT_EQ(Numbers(*stream_), Range(2000, 3000));
  stream_.reset();
  world_.Settle();
  world_.Settle();  // what was in the cache is let go of by and by
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_EQ(world_.store->stats().files_bytes, 0u);
}

TEST_F(ColdStoreTest, CopiesShareExtentsAndGoOnInFilesOfTheirOwn) {
  Append(1000);
  world_.Settle();
  std::unique_ptr<Object> clone = stream_->Clone();
  auto& copy = static_cast<Stream&>(*clone);
  copy.Attach(&world_.hot);
  Append(1000);
  Append(copy, 1000);
  world_.Settle();
  copy.Delete({5, 0});
  stream_->DropOldest(700);
  world_.Settle();
  std::vector<uint64_t> without = Range(0, 2000);
  without.erase(without.begin() + 4);
  EXPECT_EQ(Numbers(copy), without);
  EXPECT_EQ(Numbers(*stream_), Range(700, 2000));
}

TEST_F(ColdStoreTest, WhatIsRemovedWhileItIsWrittenStaysRemoved) {
  Append(1000);
  world_.store->EndTurn(world_.now_ms);
  world_.writer.Step();
  stream_->Delete({3, 0});
  stream_->Delete({40, 0});
  stream_->DropOldest(2);
  world_.writer.Drain();
  EXPECT_GT(stream_->cold_entries(), 0u);
  std::vector<uint64_t> expected = Range(3, 1000);
  std::erase(expected, 39u);
  EXPECT_EQ(Numbers(*stream_), expected);
}

TEST_F(ColdStoreTest, AStreamThatGoesWhileItIsWrittenLeavesNoFile) {
  Append(1000);
  world_.store->EndTurn(world_.now_ms);
  world_.writer.Step();
  stream_.reset();
  world_.Settle();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(ColdStoreTest, AFullDiskKeepsEntriesInMemoryUntilThereIsRoom) {
  world_.disk.set_capacity(15'000);
  Append(2000);
  world_.Settle();
  EXPECT_GT(world_.hot.bytes(), world_.settings.stream_memory);
  EXPECT_EQ(Numbers(*stream_), Range(0, 2000));
  world_.disk.set_capacity(UINT64_MAX);
  world_.Settle();
  EXPECT_GT(world_.hot.bytes(), world_.settings.stream_memory);  // not tried again at once
  world_.now_ms += 2000;
  world_.Settle();
  EXPECT_LE(world_.hot.bytes(), world_.settings.stream_memory + 4096);
  EXPECT_EQ(Numbers(*stream_), Range(0, 2000));
}

TEST_F(ColdStoreTest, AFailedReadNamesThePlaceAndPasses) {
  Append(1000);
  world_.Settle();
  world_.disk.FailCalls(world_.disk.calls() + 2, 1, EIO);
  EXPECT_THAT(FailureOf(*stream_),
              AllOf(HasSubstr("streams/" + Files()[0]), HasSubstr("at offset 32"),
                    HasSubstr("Input/output error")));
  EXPECT_EQ(Numbers(*stream_), Range(0, 1000));
}

TEST_F(ColdStoreTest, DamageIsNamed) {
  Append(1000);
  world_.Settle();
  const std::string path = "streams/" + Files()[0];
  const std::string bytes = ReadFile(world_.disk, path);
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; i++) {
    std::string damaged = bytes;
    // Only the first extent is read; the file's header is not needed for it.
    damaged[32 + random() % 400] ^= static_cast<char>(1 + random() % 255);
    WriteFile(world_.disk, path, damaged);
    EXPECT_THAT(FailureOf(*stream_), HasSubstr("at offset 32"));
  }
  WriteFile(world_.disk, path, bytes.substr(0, 100));
  EXPECT_THAT(FailureOf(*stream_), HasSubstr("ends before"));
  WriteFile(world_.disk, path, bytes);
  EXPECT_EQ(Numbers(*stream_), Range(0, 1000));
}

TEST_F(ColdStoreTest, LoadsBesideTheLoopAndKeepsWhatIsPinned) {
  Append(3000);
  world_.Settle();
  world_.store->AskPhase([] { return ColdStore::Phase::kLooking; });
  ColdExtents missing;
  try {
    stream_->Seek(StreamId::Min()).Require(2000);
  } catch (const ColdMiss& miss) {
    missing = miss.missing;
  }
  ASSERT_EQ(missing.size(), 1u);
  ColdStore::Pins pins;
  int done = 0;
  world_.store->Load(ColdMiss{missing}, &pins, [&] { done++; });
  EXPECT_EQ(done, 0);
  world_.reader.Step();
  EXPECT_EQ(done, 0);
  world_.reader.Step();
  EXPECT_EQ(done, 1);
  missing.clear();
  try {
    stream_->Seek(StreamId::Min()).Require(2000);
  } catch (const ColdMiss& miss) {
    missing = miss.missing;
  }
  // All at once now, and more than the cache holds.
  ASSERT_GT(missing.size(), 10u);
  world_.store->Load(ColdMiss{missing}, &pins, [&] { done++; });
  world_.reader.Drain();
  EXPECT_EQ(done, 2);
  world_.store->EndTurn(world_.now_ms);
  stream_->Seek(StreamId::Min()).Require(2000);
  EXPECT_GT(world_.store->stats().cache_bytes, ColdWorld::kSizes.least_cache);
  pins = {};
  world_.store->EndTurn(world_.now_ms);
  world_.store->EndTurn(world_.now_ms);
  EXPECT_LE(world_.store->stats().cache_bytes, ColdWorld::kSizes.least_cache);
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

TEST_F(ColdStoreTest, ReadsAheadOfAWalk) {
  Append(3000);
  world_.Settle();
  world_.store->AskPhase([] { return ColdStore::Phase::kLooking; });
  int misses = 0;
  StreamId last;
  for (;;) {
    ColdStore::Pins pins;
    try {
      EntryCursor at = stream_->Seek(*last.Next());
      if (!at.valid()) break;
      last = at->id();
    } catch (const ColdMiss& miss) {
      misses++;
      world_.store->Load(miss, &pins, [] {});
    }
    world_.reader.Drain();
    world_.store->EndTurn(world_.now_ms);
    world_.reader.Drain();
  }
  const uint64_t reads = world_.store->stats().reads;
  EXPECT_GT(reads, 50u);
  EXPECT_LT(misses, 60);
  EXPECT_GT(world_.store->stats().ahead_hits, 5u);
}

TEST_F(ColdStoreTest, WhatASnapshotNamesIsThereAfterAPowerCut) {
  Append(3000);
  world_.Settle();
  stream_->Delete({100, 0});
  stream_->DropOldest(57);
  std::string payload;
  Encoder encoder(&payload);
  stream_->EncodeStored(&encoder);
  EXPECT_LT(payload.size(), 60'000u);
  ColdStore::Files files;
  world_.store->NoteForSnapshot(Extents(), &files);
  EXPECT_EQ(files.size(), Files().size());
  files.clear();
  world_.SyncAndPin(Extents());
  // The stream and its files change after that.
  Append(1000);
  stream_->DropOldest(2000);
  world_.Settle();

  stream_.reset();
  world_.LosePower();
  Decoder in(payload);
  std::unique_ptr<Object> loaded = Stream::LoadWithRuns(&in, *world_.store);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(world_.store->RemoveUnused().ok());
  auto& stream = static_cast<Stream&>(*loaded);
  std::vector<uint64_t> expected = Range(57, 3000);
  std::erase(expected, 99u);
  EXPECT_EQ(Numbers(stream), expected);
  // It goes on, in new files.
  stream.Attach(&world_.hot);
  Append(stream, 1000);
  world_.Settle();
  EXPECT_EQ(Numbers(stream).size(), expected.size() + 1000);
  loaded.reset();
  world_.Settle();
  world_.Settle();
  EXPECT_THAT(Files(), IsEmpty());
}

// What the system says of a file after a failed sync is not to be trusted. What lies in it is
// written again, and later snapshots succeed.
TEST_F(ColdStoreTest, AFileWhoseSyncFailedIsWrittenAgain) {
  Append(1000);
  world_.Settle();
  const std::vector<std::string> doubtful = Files();
  const auto snapshot = [&](bool settle) {
    ColdStore::Files files;
    world_.store->NoteForSnapshot(Extents(), &files);
    Status synced = Status::Error("not yet");
    world_.store->Sync(files, [&](Status status) { synced = std::move(status); });
    world_.syncer.Drain();
    const bool ok = synced.ok();
    if (ok) world_.store->PinForSnapshots(std::move(files));
    world_.store->EndSnapshot();
    if (settle) world_.Settle();
    return ok ? "" : synced.message();
  };
  world_.disk.FailCalls(world_.disk.calls() + 2, 1, EIO);
  EXPECT_THAT(snapshot(false), HasSubstr("Input/output error"));
  // A snapshot that begins before that is done is not told of a better place than it has named.
  EXPECT_THAT(snapshot(true), HasSubstr("an earlier sync of streams/0"));
  EXPECT_EQ(snapshot(true), "");
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  // What is written from now on goes to files that are as good as any.
  Append(100);
  world_.Settle();
  EXPECT_EQ(snapshot(true), "");
  std::string payload;
  Encoder encoder(&payload);
  stream_->EncodeStored(&encoder);
  EXPECT_EQ(Numbers(*stream_), Range(0, 1100));
  // What the last snapshot names survives a power cut, and the doubtful file has gone.
  stream_.reset();
  world_.LosePower();
  Decoder in(payload);
  std::unique_ptr<Object> loaded = Stream::LoadWithRuns(&in, *world_.store);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(world_.store->RemoveUnused().ok());
  EXPECT_EQ(Numbers(static_cast<Stream&>(*loaded)), Range(0, 1100));
  for (const std::string& name : Files()) {
    EXPECT_THAT(doubtful, Not(::testing::Contains(name)));
  }
}

// A sync takes its time; blocks go to the disk meanwhile.
TEST_F(ColdStoreTest, ASyncDoesNotKeepTheWriterWaiting) {
  Append(1000);
  world_.Settle();
  ColdStore::Files files;
  world_.store->NoteForSnapshot(Extents(), &files);
  bool synced = false;
  world_.store->Sync(files, [&](Status status) { synced = status.ok(); });
  Append(1000);
  const uint64_t writes = world_.store->stats().writes;
  world_.store->EndTurn(world_.now_ms);
  world_.writer.Drain();
  EXPECT_GT(world_.store->stats().writes, writes);
  EXPECT_FALSE(synced);
  world_.Settle();
  EXPECT_TRUE(synced);
  world_.store->EndSnapshot();
}

// However many files there are, the start lists them and opens none.
TEST_F(ColdStoreTest, TheStartOpensNoFile) {
  Append(3000);
  world_.Settle();
  std::string payload;
  Encoder encoder(&payload);
  stream_->EncodeStored(&encoder);
  world_.SyncAndPin(Extents());
  const uint64_t bytes = world_.store->stats().files_bytes;
  ASSERT_GT(Files().size(), 3u);
  stream_.reset();
  world_.LosePower();
  const uint64_t calls = world_.disk.calls();
  Decoder in(payload);
  std::unique_ptr<Object> loaded = Stream::LoadWithRuns(&in, *world_.store);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(world_.store->RemoveUnused().ok());
  EXPECT_EQ(world_.disk.calls(), calls);
  EXPECT_LE(world_.store->stats().files_bytes, bytes);
  world_.Settle();
  EXPECT_EQ(world_.store->stats().files_bytes, bytes);
}

TEST_F(ColdStoreTest, FilesThatNobodyNamesGoAtTheStart) {
  Append(3000);
  world_.Settle();
  ASSERT_THAT(Files(), Not(IsEmpty()));
  WriteFile(world_.disk, "streams/not ours.txt", "?");
  stream_.reset();
  world_.store.reset();
  world_.Start();
  EXPECT_TRUE(world_.store->RemoveUnused().ok());
  EXPECT_THAT(Files(), ::testing::ElementsAre("not ours.txt"));
}

// A journal that is read again at the start may fill more memory than streams may take.
TEST_F(ColdStoreTest, WhatTheStartItselfWroteStays) {
  Append(3000);
  world_.Settle();
  stream_.reset();
  world_.store.reset();
  world_.Start();
  const size_t found = Files().size();
  stream_ = std::make_unique<Stream>();
  stream_->Attach(&world_.hot);
  Append(3000);
  world_.Settle();
  EXPECT_GT(Files().size(), found);
  EXPECT_TRUE(world_.store->RemoveUnused().ok());
  EXPECT_EQ(Files().size(), world_.store->stats().files);
  EXPECT_GT(stream_->cold_entries(), 2000u);
  EXPECT_EQ(Numbers(*stream_), Range(0, 3000));
}

// Whatever fails: no entry is lost, none comes back, and what is left of the files is what streams
// refer to.
TEST_F(ColdStoreTest, NoFaultLosesAnEntry) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    SCOPED_TRACE(seed);
    ColdWorld world(seed);
    std::mt19937_64 random(seed);
    auto stream = std::make_unique<Stream>();
    stream->Attach(&world.hot);
    std::set<uint64_t> model;
    for (int step = 0; step < 300; step++) {
      const uint64_t added = stream->entries_added();
      Append(*stream, random() % 40);
      for (uint64_t n = added; n < stream->entries_added(); n++) {
        model.insert(n);
      }
      if (random() % 20 == 0) {
        const int errors[] = {EIO, ENOSPC, EACCES};
        const int error = errors[random() % 3];
        const uint64_t count = 1 + random() % 3;
        world.disk.FailCalls(world.disk.calls() + 1 + random() % 10, count, error);
      }
      try {
        if (random() % 3 == 0 && !model.empty()) {
          const uint64_t n = *model.begin() + random() % 300;
          if (stream->Delete({n + 1, 0})) model.erase(n);
        }
        if (random() % 8 == 0) {
          const uint64_t count = std::min<uint64_t>(random() % 200, model.size());
          stream->DropOldest(count);
          model.erase(model.begin(), std::next(model.begin(), static_cast<ptrdiff_t>(count)));
        }
      } catch (const ColdFailure&) {
        // Nothing has changed.
      }
      for (uint64_t steps = random() % 6; steps > 0; steps--) {
        random() % 2 == 0 ? world.writer.Step() : world.reader.Step();
      }
      world.now_ms += static_cast<int64_t>(random() % 600);
      world.store->EndTurn(world.now_ms);
      ASSERT_EQ(stream->length(), model.size());
    }
    world.disk.FailCalls(1, 0, EIO);
    ASSERT_EQ(Numbers(*stream), std::vector<uint64_t>(model.begin(), model.end()));
    stream.reset();
    for (int i = 0; i < 20; i++) {
      world.now_ms += 2000;
      world.Settle();
    }
    EXPECT_THAT(*world.disk.List("streams"), IsEmpty());
  }
}

}  // namespace
}  // namespace runnel::sim
