#include "journal/frame.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/varint.h"
#include "journal/testing.h"

namespace runnel::journal {
namespace {

constexpr uint64_t kId = 0x1234'5678'9abc'def0;

std::string Encoded(const Frame& frame) {
  std::string bytes;
  EncodeFrame(frame, kId, &bytes);
  return bytes;
}

// Whether the bytes are one whole frame, and nothing that asks for more bytes than there are.
bool Decodes(std::string_view bytes, Frame* frame, uint64_t id = kId) {
  FrameHeader header;
  return DecodeHeader(bytes, &header) == HeaderKind::kFrame &&
         header.frame_bytes() <= bytes.size() && DecodeFrame(header, bytes, id, frame);
}

const Frame kSample{7, 4096, 4000, 3, "three records"};

TEST(FrameTest, IsReadAsItWasWritten) {
  const std::string bytes = Encoded(kSample);
  EXPECT_EQ(bytes.size(), kFrameHeaderBytes + 13);
  Frame frame;
  ASSERT_TRUE(Decodes(bytes, &frame));
  EXPECT_EQ(frame.epoch, 7u);
  EXPECT_EQ(frame.base, 4096u);
  EXPECT_EQ(frame.synced, 4000u);
  EXPECT_EQ(frame.records, 3u);
  EXPECT_EQ(frame.payload, "three records");
  EXPECT_EQ(frame.end(), 4096 + kFrameHeaderBytes + 13);
}

TEST(FrameTest, ThePayloadMayBeEmptyAndOfAnyBytes) {
  Random random(1);
  for (size_t size : {0, 1, 3, 8, 16, 17, 128, 129, 240, 241, 5000}) {
    std::string payload;
    while (payload.size() < size) {
      payload.push_back(static_cast<char>(random.Next()));
    }
    Frame frame;
    const std::string bytes = Encoded({1, 2, 2, 4, payload});
    ASSERT_TRUE(Decodes(bytes, &frame)) << size;
    EXPECT_EQ(frame.payload, payload);
  }
}

TEST(FrameTest, AnyChangedBitIsNoticed) {
  const std::string bytes = Encoded(kSample);
  for (size_t bit = 0; bit < bytes.size() * 8; bit++) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    Frame frame;
    EXPECT_FALSE(Decodes(damaged, &frame)) << "bit " << bit;
  }
}

TEST(FrameTest, AnyCutIsNoticed) {
  const std::string bytes = Encoded(kSample);
  for (size_t size = 0; size < bytes.size(); size++) {
    Frame frame;
    EXPECT_FALSE(Decodes(std::string_view(bytes).substr(0, size), &frame)) << size;
  }
}

TEST(FrameTest, AFrameOfAnotherJournalIsNone) {
  const std::string bytes = Encoded(kSample);
  Frame frame;
  for (int bit = 0; bit < 64; bit++) {
    EXPECT_FALSE(Decodes(bytes, &frame, kId ^ uint64_t{1} << bit)) << bit;
  }
  EXPECT_FALSE(Decodes(bytes, &frame, 0));
}

TEST(FrameTest, VersionOneIsReadInEveryJournal) {
  std::string bytes;
  EncodeFrame(kSample, &bytes);
  for (const uint64_t id : {uint64_t{0}, kId}) {
    Frame frame;
    ASSERT_TRUE(Decodes(bytes, &frame, id));
    EXPECT_EQ(frame.synced, kSample.synced);
    EXPECT_EQ(frame.payload, kSample.payload);
  }
}

TEST(FrameTest, ANewerVersionIsKnownWhateverFollows) {
  std::string bytes = Encoded(kSample);
  FrameHeader header;
  bytes[3] = kFormatVersion + 1;
  EXPECT_EQ(DecodeHeader(bytes, &header), HeaderKind::kNewer);
  EXPECT_EQ(header.base, kSample.base);
  bytes[3] = 0;
  EXPECT_EQ(DecodeHeader(bytes, &header), HeaderKind::kForeign);
}

TEST(FrameTest, ADistanceThatDoesNotFitSaysNothing) {
  Frame frame;
  ASSERT_TRUE(Decodes(Encoded({1, 0x1'0000'0000, 1, 0, ""}), &frame));
  EXPECT_EQ(frame.synced, 0u) << "0xffffffff means unknown";
  ASSERT_TRUE(Decodes(Encoded({1, 0x1'0000'0000, 2, 0, ""}), &frame));
  EXPECT_EQ(frame.synced, 2u);
  ASSERT_TRUE(Decodes(Encoded({1, 0x9'0000'0000, 2, 0, ""}), &frame));
  EXPECT_EQ(frame.synced, 0u);
}

}  // namespace
}  // namespace runnel::journal
