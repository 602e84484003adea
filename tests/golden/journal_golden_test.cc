// The versions of the journal's format. Version 1: the files in journal_v1 are read, and hold what
// README.md of the journal says. Version 2: the files in journal_v2 and the note beside it are
// read, and writing gives the same bytes.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "env/posix/posix_disk.h"
#include "journal/note.h"
#include "journal/recovery.h"
#include "journal/segment.h"
#include "journal/testing.h"
#include "tests/support/temp_dir.h"

namespace runnel::journal {
namespace {

const std::string kVersion1 = RUNNEL_GOLDEN_DIR "/journal_v1";
const std::string kVersion2 = RUNNEL_GOLDEN_DIR "/journal_v2";

const std::string kLongPayload(300, 'p');

// What the files hold. The first two are in the first segment, the others in the second.
const Frame kFrames[] = {
    {1, 0, 0, 1, "one record"},
    {1, 50, 50, 3, std::string_view("\x00\x01\xfe\xff and text", 13)},
    {2, 103, 50, 70'000, kLongPayload},
    {0x0102030405060708, 443, 443, 0, ""},
};
constexpr Position kSecondSegment = 103;

// The journal of version 2: its second frame is the last of version 1.
constexpr Identity kIdentity = {0x0123456789abcdef, 103};
const Note kNote = {kIdentity, kSecondSegment, 409, 483, true, "a boot"};

std::string BytesOf(const std::string& path) {
  const auto file = SystemDisk().Open(path, OpenMode::kRead);
  EXPECT_TRUE(file.ok()) << file.status().message();
  if (!file.ok()) return "";
  std::string bytes(*(*file)->Size(), '\0');
  EXPECT_EQ(*(*file)->ReadAt(0, bytes.data(), bytes.size()), bytes.size());
  return bytes;
}

void ExpectFrames(const std::string& directory) {
  std::vector<Frame> frames;
  std::vector<std::string> payloads;
  const auto found = Inspect(SystemDisk(), directory, 0, [&](const Frame& frame) {
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

TEST(JournalGoldenTest, VersionOneIsRead) {
  ExpectFrames(kVersion1);
}

TEST(JournalGoldenTest, VersionOneHoldsWhatIsDocumented) {
  std::string first, second;
  for (const Frame& frame : kFrames) {
    EncodeFrame(frame, frame.base < kSecondSegment ? &first : &second);
  }
  EXPECT_EQ(BytesOf(SegmentPath(kVersion1, 0)), first);
  EXPECT_EQ(BytesOf(SegmentPath(kVersion1, kSecondSegment)), second + std::string(29, '\0'))
      << "with its reserve";
}

TEST(JournalGoldenTest, VersionTwoIsRead) {
  ExpectFrames(kVersion2);
  const auto identity = ReadIdentity(SystemDisk(), kVersion2);
  ASSERT_TRUE(identity.ok()) << identity.message();
  EXPECT_EQ(**identity, kIdentity);
  const auto note = ReadNote(SystemDisk(), kVersion2);
  ASSERT_TRUE(note.ok()) << note.message();
  EXPECT_EQ(**note, kNote);
}

TEST(JournalGoldenTest, WritingVersionTwoGivesTheSameBytes) {
  std::string first, second;
  EncodeFrame(kFrames[0], &first);
  EncodeFrame(kFrames[1], &first);
  EncodeFrame(kFrames[2], kIdentity.id, &second);
  EncodeFrame(kFrames[3], kIdentity.id, &second);
  EXPECT_EQ(BytesOf(SegmentPath(kVersion2, 0)), first);
  EXPECT_EQ(BytesOf(SegmentPath(kVersion2, kSecondSegment)), second + std::string(29, '\0'));
  test::TempDir dir;
  const std::string written = dir.string() + "/journal";
  ASSERT_TRUE(SystemDisk().CreateDirectory(written).ok());
  ASSERT_TRUE(WriteIdentity(SystemDisk(), written, kIdentity).ok());
  ASSERT_TRUE(WriteNote(SystemDisk(), written, kNote).ok());
  EXPECT_EQ(BytesOf(IdentityPath(written)), BytesOf(IdentityPath(kVersion2)));
  EXPECT_EQ(BytesOf(NotePath(written)), BytesOf(NotePath(kVersion2)));
}

// The first header byte by byte, as README.md of the journal shows it.
TEST(JournalGoldenTest, TheFirstHeader) {
  const std::string bytes = BytesOf(SegmentPath(kVersion1, 0));
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
