// Version 1 of cold files: the file in cold_v1 is read, and writing gives the same bytes.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cold/cold_file.h"
#include "cold/extent.h"
#include "data/list/run.h"
#include "data/stream/block_cursor.h"
#include "data/stream/cold_runs.h"
#include "data/stream/hot_log.h"
#include "env/posix/posix_disk.h"

namespace runnel::cold {
namespace {

constexpr FileName kName = {7, 3};
const std::string kPath = RUNNEL_GOLDEN_DIR "/cold_v1/" + kName.ToString();

// A block whose top slot is its first element, one whose top slot is its last, and one for a large
// element.
const std::vector<std::string> kElements = {"one",  "",     std::string(300, 'x'),
                                            "back", "last", std::string(9000, 'L')};

std::shared_ptr<const BlockRun> AListRun() {
  std::vector<ListBlock> blocks;
  ListBlock front(1000, true);
  for (size_t i = 3; i-- > 0;) {
    EXPECT_TRUE(front.Append(kElements[i]));
  }
  ListBlock back(1000, false);
  EXPECT_TRUE(back.Append(kElements[3]) && back.Append(kElements[4]));
  blocks.push_back(std::move(front));
  blocks.push_back(std::move(back));
  blocks.push_back(ListBlock::Large(kElements[5], false));
  return std::make_shared<const ListRun>(std::move(blocks));
}

// Entries 1000-1, 2000-2, ... 9000-0 in two blocks, without the first and the fifth.
std::shared_ptr<const BlockRun> AStreamRun() {
  HotLog log;
  for (uint64_t i = 1; i <= 9; i++) {
    const std::string value = "value " + std::to_string(i);
    const std::string_view fields[] = {"field", value, "other", "x"};
    log.Append({1000 * i, i % 3}, fields, {.max_entries = 6, .max_bytes = 4096});
  }
  log.DropOldest(1, nullptr);
  EXPECT_TRUE(log.Remove({5000, 2}));
  return std::make_shared<const EntryRun>(std::move(log));
}

struct Golden {
  RunKind kind;
  Codec codec;
};
// The extents of the file, in their order. How small a library makes one may change, so only what
// is not packed is compared byte by byte.
constexpr Golden kExtents[] = {{RunKind::kList, Codec::kNone},
                               {RunKind::kStream, Codec::kNone},
                               {RunKind::kList, Codec::kLz4},
                               {RunKind::kList, Codec::kZstd}};

std::string FileBytes() {
  const auto file = SystemDisk().Open(kPath, OpenMode::kRead);
  EXPECT_TRUE(file.ok()) << file.status().message();
  if (!file.ok()) return "";
  std::string bytes(*(*file)->Size(), '\0');
  EXPECT_EQ(*(*file)->ReadAt(0, bytes.data(), bytes.size()), bytes.size());
  return bytes;
}

// Bytes of the extent that begins there, by its header.
size_t ExtentBytes(const std::string& file, size_t offset) {
  return kExtentHeaderBytes + ReadFixed<uint32_t>(file.data() + offset + 12);
}

void ExpectList(const BlockRun& run) {
  const auto& list = static_cast<const ListRun&>(run);
  ASSERT_EQ(list.entries(), kElements.size());
  for (size_t i = 0; i < kElements.size(); i++) {
    EXPECT_EQ(list.At(i), kElements[i]);
  }
  EXPECT_TRUE(list.block(0).reversed());
  EXPECT_FALSE(list.block(1).reversed());
}

void ExpectStream(const BlockRun& run) {
  const HotLog& log = EntryRun::LogOf(run);
  EXPECT_EQ(log.segments().size(), 2u);
  std::vector<uint64_t> found;
  for (BlockCursor at = BlockCursor::First(log); at.valid(); at.Next()) {
    const uint64_t i = at->id().ms / 1000;
    found.push_back(i);
    EXPECT_EQ(at->id(), (StreamId{1000 * i, i % 3}));
    const auto first = *at->begin();
    EXPECT_EQ(first.name, "field");
    EXPECT_EQ(first.value, "value " + std::to_string(i));
  }
  EXPECT_EQ(found, (std::vector<uint64_t>{2, 3, 4, 6, 7, 8, 9}));
}

TEST(ColdGoldenTest, TheFileIsRead) {
  const std::string file = FileBytes();
  ASSERT_TRUE(CheckFileHeader(file, kName.object).ok());
  size_t offset = kFileHeaderBytes;
  for (const Golden& golden : kExtents) {
    const size_t bytes = ExtentBytes(file, offset);
    const auto run = DecodeExtent(std::string_view(file).substr(offset, bytes), golden.kind,
                                  kName.object, offset);
    ASSERT_TRUE(run.ok()) << run.message() << " at offset " << offset;
    golden.kind == RunKind::kList ? ExpectList(**run) : ExpectStream(**run);
    offset += bytes;
  }
  EXPECT_EQ(offset, file.size());
}

TEST(ColdGoldenTest, WritingGivesTheSameBytes) {
  const std::string file = FileBytes();
  std::string written = EncodeFileHeader(kName.object);
  AppendExtent(*AListRun(), Codec::kNone, kName.object, written.size(), &written);
  AppendExtent(*AStreamRun(), Codec::kNone, kName.object, written.size(), &written);
  EXPECT_EQ(file.substr(0, written.size()), written);
}

// The headers byte by byte, as README.md of the cold files shows them.
TEST(ColdGoldenTest, TheHeaders) {
  const std::string file = FileBytes();
  EXPECT_EQ(file.substr(0, 24), std::string("RNLCOLD\n"
                                            "\x01\0\0\0"
                                            "\0\0\0\0"
                                            "\x07\0\0\0\0\0\0\0",
                                            24));
  EXPECT_EQ(file.substr(32, 8), std::string("REXT\x01\0\0\0", 8));
  EXPECT_EQ(file.substr(48, 16), std::string("\x06\0\0\0"
                                             "\x03\0\0\0"
                                             "\x20\0\0\0\0\0\0\0",
                                             16));
}

}  // namespace
}  // namespace runnel::cold
