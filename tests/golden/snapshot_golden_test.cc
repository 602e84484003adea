// Versions 1 and 3 of snapshots: the files in snapshot_v1 and snapshot_v3 are loaded, and writing
// gives the same sections.

#include <gtest/gtest.h>

#include <string>

#include "data/list/list.h"
#include "data/stream/stream.h"
#include "data/string_object.h"
#include "data/testing.h"
#include "env/posix/posix_disk.h"
#include "snapshot/files.h"
#include "snapshot/load.h"
#include "snapshot/section_reader.h"
#include "snapshot/snapshot_writer.h"
#include "tests/support/temp_dir.h"

namespace runnel::snapshot {
namespace {

const std::string kDirectory = RUNNEL_GOLDEN_DIR "/snapshot_v1";
const SnapshotInfo kInfo = {0x0102030405, 3, 1'700'000'000'000, 16, {}};

std::unique_ptr<Object> AList() {
  auto list = std::make_unique<List>();
  list->PushBack("one");
  list->PushBack("");
  list->PushFront(std::string(300, 'f'));
  return list;
}

std::unique_ptr<Object> AStream() {
  auto stream = std::make_unique<Stream>();
  for (uint64_t i = 1; i <= 10; i++) {
    const std::string value = "value " + std::to_string(i);
    const std::string_view fields[] = {"field", value, "other", "x"};
    stream->Append({1000 * i, i % 3}, fields, {});
  }
  stream->Delete({4000, 1});
  stream->DropOldest(1);
  ConsumerGroup& group = stream->CreateGroup("workers", {}, 0);
  const ConsumerIndex anna = group.CreateConsumer("anna", 5).index;
  group.CreateConsumer("bert", 6);
  stream->Deliver(&group, anna, {7000, 1}, 9000, false);
  group.Ack({3000, 0});
  group.Release({5000, 2}, 2);
  stream->CreateIdempotence(50, 20).Record("producer", "message", {10'000, 1});
  return stream;
}

// All of them, in the order in which the file has them.
struct {
  uint32_t db;
  std::string name;
  int64_t expire_at_ms;
  std::unique_ptr<Object> value;
} const kKeys[] = {
    {0, "string", kNoExpiry, std::make_unique<StringObject>("a value")},
    {0, std::string("\0\xff", 2), 1'800'000'000'000, std::make_unique<StringObject>("")},
    {3, "list", -1, AList()},
    {15, "stream", kNoExpiry, AStream()},
    // Repeats itself, so the section is compressed.
    {15, "long", kNoExpiry, std::make_unique<StringObject>(std::string(3000, 'l'))},
};

// The content of all sections, before compression: how small a library makes them may change.
std::string SectionsOf(const std::string& path) {
  const auto reader = SectionReader::Open(SystemDisk(), path);
  EXPECT_TRUE(reader.ok()) << reader.status().message();
  if (!reader.ok()) return "";
  std::string sections;
  while (true) {
    const auto there = (*reader)->Next();
    EXPECT_TRUE(there.ok()) << there.status().message();
    if (!there.ok() || !*there) return sections;
    sections += (*reader)->bytes();
  }
}

TEST(SnapshotGoldenTest, TheFileIsLoaded) {
  Keyspace keyspace(16);
  const auto loaded =
      LoadSnapshot(SystemDisk(), SnapshotPath(kDirectory, kInfo.position), &keyspace, nullptr);
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_EQ(loaded->info, kInfo);
  KeyspaceContent expected;
  for (const auto& [db, name, expire_at_ms, value] : kKeys) {
    std::string payload;
    value->Serialize(&payload);
    expected[{db, name}] = {value->type(), expire_at_ms, payload};
  }
  EXPECT_EQ(ContentOf(keyspace), expected);
}

TEST(SnapshotGoldenTest, WritingGivesTheSameSections) {
  const test::TempDir directory;
  const std::string snapshots = directory.string() + "/snapshots";
  SnapshotWriter writer(&SystemDisk(), snapshots, kInfo);
  writer.Open();
  for (const auto& [db, name, expire_at_ms, value] : kKeys) {
    writer.Add(db, name, expire_at_ms, *value);
  }
  writer.Finish();
  ASSERT_TRUE(writer.status().ok()) << writer.status().message();
  EXPECT_EQ(SectionsOf(SnapshotPath(snapshots, kInfo.position)),
            SectionsOf(SnapshotPath(kDirectory, kInfo.position)));
}

// Version 3 has libraries of functions, too.
const std::string kWithLibraries = RUNNEL_GOLDEN_DIR "/snapshot_v3";

const StoredLibrary kLibraries[] = {
    {"first", "#!lua name=first\nthe text", {{"f", 1, "what it does"}, {"g", 300, std::nullopt}}},
    {"second", std::string(3000, 'x'), {{"h", 0, ""}}},
};

TEST(SnapshotGoldenTest, TheFileWithLibrariesIsLoaded) {
  Keyspace keyspace(16);
  const auto loaded =
      LoadSnapshot(SystemDisk(), SnapshotPath(kWithLibraries, kInfo.position), &keyspace, nullptr);
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_TRUE(loaded->info.has_libraries);
  ASSERT_EQ(keyspace.functions().size(), 2u);
  for (const StoredLibrary& library : kLibraries) {
    EXPECT_EQ(*keyspace.functions().Find(library.name)->library, library);
  }
  EXPECT_EQ(keyspace.size(0), 1u);
}

TEST(SnapshotGoldenTest, WritingLibrariesGivesTheSameSections) {
  const test::TempDir directory;
  const std::string snapshots = directory.string() + "/snapshots";
  SnapshotInfo info = kInfo;
  info.has_libraries = true;
  SnapshotWriter writer(&SystemDisk(), snapshots, info);
  writer.Open();
  for (const StoredLibrary& library : kLibraries) {
    writer.Add(library);
  }
  writer.Add(0, "string", kNoExpiry, StringObject("a value"));
  writer.Finish();
  ASSERT_TRUE(writer.status().ok()) << writer.status().message();
  EXPECT_EQ(SectionsOf(SnapshotPath(snapshots, kInfo.position)),
            SectionsOf(SnapshotPath(kWithLibraries, kInfo.position)));
}

// The header byte by byte, as README.md of the snapshots shows it.
TEST(SnapshotGoldenTest, TheHeader) {
  const auto file = SystemDisk().Open(SnapshotPath(kDirectory, kInfo.position), OpenMode::kRead);
  ASSERT_TRUE(file.ok()) << file.status().message();
  std::string bytes(56, '\0');
  ASSERT_EQ(*(*file)->ReadAt(0, bytes.data(), bytes.size()), bytes.size());
  EXPECT_EQ(bytes.substr(0, 40), std::string("RNS\x01"
                                             "\x10\0\0\0"
                                             "\x05\x04\x03\x02\x01\0\0\0"
                                             "\x03\0\0\0\0\0\0\0"
                                             "\x00\x68\xe5\xcf\x8b\x01\0\0"
                                             "\0\0\0\0\0\0\0\0",
                                             40));
  EXPECT_EQ(bytes.substr(48, 8), std::string("SECT\x01\0\0\0", 8));
}

}  // namespace
}  // namespace runnel::snapshot
