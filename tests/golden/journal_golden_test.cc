// Version 1 of the journal: the files in journal_v1 are read, and writing gives the same bytes.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "env/posix/posix_disk.h"
#include "journal/recovery.h"
#include "journal/segment.h"
#include "journal/testing.h"

namespace runnel::journal {
namespace {

const std::string kDirectory = RUNNEL_GOLDEN_DIR "/journal_v1";

const std::string kLongPayload(300, 'p');

// What the files hold. The first two are in the first segment, the others in the second.
const Frame kFrames[] = {
    {1, 0, 0, 1, "one record"},
    {1, 50, 50, 3, std::string_view("\x00\x01\xfe\xff and text", 13)},
    {2, 103, 50, 70'000, kLongPayload},
    {0x0102030405060708, 443, 443, 0, ""},
};
constexpr Position kSecondSegment = 103;

std::string BytesOf(Position base) {
  const auto file = SystemDisk().Open(SegmentPath(kDirectory, base), OpenMode::kRead);
  EXPECT_TRUE(file.ok()) << file.status().message();
  if (!file.ok()) return "";
  std::string bytes(*(*file)->Size(), '\0');
  EXPECT_EQ(*(*file)->ReadAt(0, bytes.data(), bytes.size()), bytes.size());
  return bytes;
}

TEST(JournalGoldenTest, TheFilesAreRead) {
  std::vector<Frame> frames;
  std::vector<std::string> payloads;
  const auto found = Inspect(SystemDisk(), kDirectory, 0, [&](const Frame& frame) {
    frames.push_back(frame);
    payloads.emplace_back(frame.payload);
    return Status();
  });
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->row->decision, Decision::kEnd) << found->text;
  EXPECT_EQ(found->end, 483u);
  EXPECT_EQ(found->records, 70'004u);
  ASSERT_EQ(frames.size(), std::size(kFrames));
  for (size_t i = 0; i < frames.size(); i++) {
    EXPECT_EQ(frames[i].epoch, kFrames[i].epoch);
    EXPECT_EQ(frames[i].base, kFrames[i].base);
    EXPECT_EQ(frames[i].synced, kFrames[i].synced);
    EXPECT_EQ(frames[i].records, kFrames[i].records);
    EXPECT_EQ(payloads[i], kFrames[i].payload);
  }
}

TEST(JournalGoldenTest, WritingGivesTheSameBytes) {
  std::string first, second;
  for (const Frame& frame : kFrames) {
    EncodeFrame(frame, frame.base < kSecondSegment ? &first : &second);
  }
  EXPECT_EQ(BytesOf(0), first);
  EXPECT_EQ(BytesOf(kSecondSegment), second + std::string(29, '\0')) << "with its reserve";
}

// The first header byte by byte, as README.md of the journal shows it.
TEST(JournalGoldenTest, TheFirstHeader) {
  const std::string bytes = BytesOf(0);
  EXPECT_EQ(bytes.substr(0, 32), std::string("RNL\x01"
                                             "\x0a\0\0\0"
                                             "\x01\0\0\0"
                                             "\0\0\0\0"
                                             "\x01\0\0\0\0\0\0\0"
                                             "\0\0\0\0\0\0\0\0",
                                             32));
  EXPECT_EQ(bytes.substr(40, 10), "one record");
}

}  // namespace
}  // namespace runnel::journal
