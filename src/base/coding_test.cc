#include "base/coding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {
namespace {

constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

std::vector<uint64_t> EdgesOf64Bits() {
  std::vector<uint64_t> values = {0};
  for (int bit = 0; bit < 64; bit++) {
    const uint64_t power = uint64_t{1} << bit;
    values.insert(values.end(), {power - 1, power, power + 1});
  }
  values.push_back(kMax64);
  return values;
}

std::string VarintOf(uint64_t value) {
  std::string out;
  Encoder(&out).Varint(value);
  return out;
}

TEST(Varint, HasTheseBytes) {
  EXPECT_EQ(VarintOf(0), std::string(1, '\0'));
  EXPECT_EQ(VarintOf(127), "\x7f");
  EXPECT_EQ(VarintOf(128), "\x80\x01");
  EXPECT_EQ(VarintOf(300), "\xac\x02");
  EXPECT_EQ(VarintOf(kMax64), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

TEST(Varint, ReadsWhatItWroteAndNothingShorter) {
  for (const uint64_t value : EdgesOf64Bits()) {
    const std::string bytes = VarintOf(value);
    EXPECT_EQ(bytes.size(), VarintSize(value)) << value;
    const char* end = bytes.data() + bytes.size();
    uint64_t read = ~value;
    EXPECT_EQ(ReadVarint(bytes.data(), end, &read), end) << value;
    EXPECT_EQ(read, value);
    read = ~value;
    EXPECT_EQ(ReadTrustedVarint(bytes.data(), &read), end) << value;
    EXPECT_EQ(read, value);
    for (size_t size = 0; size < bytes.size(); size++) {
      EXPECT_EQ(ReadVarint(bytes.data(), bytes.data() + size, &read), nullptr) << value;
    }
  }
}

TEST(Varint, RefusesMoreThan64Bits) {
  for (const std::string& bytes : {std::string(9, '\xff') + '\x02', std::string(9, '\x80') + '\x7f',
                                   std::string(10, '\xff'), std::string(10, '\x80') + '\0'}) {
    uint64_t value = 0;
    EXPECT_EQ(ReadVarint(bytes.data(), bytes.data() + bytes.size(), &value), nullptr);
  }
}

TEST(Varint, ZigZagKeepsSmallNumbersSmall) {
  EXPECT_EQ(ZigZag(0), 0u);
  EXPECT_EQ(ZigZag(-1), 1u);
  EXPECT_EQ(ZigZag(1), 2u);
  EXPECT_EQ(ZigZag(-2), 3u);
  EXPECT_EQ(ZigZag(std::numeric_limits<int64_t>::max()), kMax64 - 1);
  EXPECT_EQ(ZigZag(std::numeric_limits<int64_t>::min()), kMax64);
  for (const uint64_t value : EdgesOf64Bits()) {
    EXPECT_EQ(ZigZag(UnZigZag(value)), value);
  }
}

std::string Record() {
  std::string out = "kept";
  Encoder encoder(&out);
  encoder.Byte(0xfe);
  encoder.Varint(300);
  encoder.Signed(-3);
  encoder.Fixed<uint32_t>(0x01020304);
  encoder.Bytes("abc");
  encoder.Bytes("");
  return out;
}

TEST(Coding, HasTheseBytes) {
  EXPECT_EQ(Record(), std::string("kept\xfe\xac\x02\x05\x04\x03\x02\x01\x03"
                                  "abc\x00",
                                  17));
}

TEST(Coding, ReadsWhatItWrote) {
  const std::string record = Record().substr(4);
  Decoder decoder(record);
  EXPECT_EQ(decoder.remaining(), record.size());
  EXPECT_EQ(decoder.Byte(), 0xfe);
  EXPECT_EQ(decoder.Varint(), 300u);
  EXPECT_EQ(decoder.Signed(), -3);
  EXPECT_EQ(decoder.Fixed<uint32_t>(), 0x01020304u);
  const std::string_view bytes = decoder.Bytes();
  EXPECT_EQ(bytes, "abc");
  EXPECT_EQ(bytes.data(), record.data() + 9);
  EXPECT_FALSE(decoder.done());
  EXPECT_EQ(decoder.Bytes(), "");
  EXPECT_TRUE(decoder.ok());
  EXPECT_TRUE(decoder.done());
}

// However short the input is: fields before the cut read as they are, the others as nothing, and
// ok() tells.
TEST(Coding, ACutRecordIsBad) {
  const std::string record = Record().substr(4);
  for (size_t size = 0; size < record.size(); size++) {
    SCOPED_TRACE(size);
    Decoder decoder(std::string_view(record).substr(0, size));
    EXPECT_EQ(decoder.Byte(), size >= 1 ? 0xfe : 0);
    EXPECT_EQ(decoder.Varint(), size >= 3 ? 300u : 0u);
    EXPECT_EQ(decoder.Signed(), size >= 4 ? -3 : 0);
    EXPECT_EQ(decoder.Fixed<uint32_t>(), size >= 8 ? 0x01020304u : 0u);
    EXPECT_EQ(decoder.Bytes(), size >= 12 ? "abc" : "");
    EXPECT_EQ(decoder.Bytes(), "");
    EXPECT_FALSE(decoder.ok());
  }
}

TEST(Coding, StaysBad) {
  Decoder decoder("\x01\x02\x03");
  decoder.Fail();
  EXPECT_EQ(decoder.Byte(), 0);
  EXPECT_EQ(decoder.remaining(), 0u);
  EXPECT_FALSE(decoder.ok());
}

TEST(Coding, ASizeBeyondTheInputIsBad) {
  for (const uint64_t size : {uint64_t{4}, uint64_t{1} << 32, kMax64}) {
    const std::string input = VarintOf(size) + "abc";
    Decoder decoder(input);
    EXPECT_EQ(decoder.Bytes(), "");
    EXPECT_FALSE(decoder.ok());
  }
}

TEST(Coding, ACountIsBoundedByTheInput) {
  const std::string twelve = VarintOf(3) + std::string(12, 'x');
  EXPECT_EQ(Decoder(twelve).Count(4), 3u);
  EXPECT_EQ(Decoder(twelve).Count(5), 0u);
  const std::string huge = VarintOf(kMax64) + "x";
  Decoder decoder(huge);
  EXPECT_EQ(decoder.Count(1), 0u);
  EXPECT_FALSE(decoder.ok());
}

// Cuts an encoding where the encoder does, and gives it piece by piece.
class Pieces : public EncoderSink, public DecoderSource {
 public:
  void Take(std::string_view bytes) override { pieces_.emplace_back(bytes); }

  std::string_view More(std::string_view rest, size_t needed) override {
    auto window = std::make_unique<std::string>(rest);
    while (window->size() < needed && next_ < pieces_.size()) {
      *window += pieces_[next_++];
    }
    // Bytes given before must not be read again: sanitizers detect that.
    window_ = std::move(window);
    return *window_;
  }

  const std::vector<std::string>& pieces() const { return pieces_; }
  std::string Joined() const {
    std::string all;
    for (const std::string& piece : pieces_)
      all += piece;
    return all;
  }

 private:
  std::vector<std::string> pieces_;
  size_t next_ = 0;
  std::unique_ptr<std::string> window_;
};

TEST(Coding, ALongEncodingLeavesPieceByPiece) {
  const std::string large(3 * Encoder::kPieceBytes, 'l');
  const auto encode = [&](Encoder* out) {
    for (uint64_t i = 0; i < 50'000; i++) {
      out->Varint(i * i);
      out->Bytes("value");
      out->Checkpoint();
    }
    out->Bytes(large);
    out->Fixed<uint64_t>(7);
    out->Raw("the rest");
  };
  std::string whole;
  Encoder plain(&whole);
  encode(&plain);

  Pieces pieces;
  std::string gathered;
  Encoder encoder(&gathered, &pieces);
  encode(&encoder);
  EXPECT_LT(gathered.size(), Encoder::kPieceBytes);
  for (const std::string& piece : pieces.pieces()) {
    EXPECT_LE(piece.size(), piece == large ? large.size() : Encoder::kPieceBytes + 100);
  }
  EXPECT_EQ(pieces.Joined() + gathered, whole);

  pieces.Take(gathered);
  Decoder decoder("", &pieces);
  for (uint64_t i = 0; i < 50'000; i++) {
    ASSERT_EQ(decoder.Varint(), i * i);
    ASSERT_EQ(decoder.Bytes(), "value");
  }
  EXPECT_EQ(decoder.Bytes(), large);
  EXPECT_EQ(decoder.Fixed<uint64_t>(), 7u);
  EXPECT_FALSE(decoder.done());
  EXPECT_EQ(decoder.Rest(), "the rest");
  EXPECT_TRUE(decoder.ok());
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(decoder.position(), whole.size());
}

// Wherever the pieces are cut: the same fields, and a missing end is noticed.
TEST(Coding, ReadsFieldsAcrossPieces) {
  const std::string record = Record().substr(4);
  for (size_t cut = 0; cut <= record.size(); cut++) {
    for (size_t size = 0; size <= record.size(); size++) {
      SCOPED_TRACE(std::to_string(cut) + ", " + std::to_string(size));
      Pieces pieces;
      for (size_t at = 0; at < size; at += cut + 1) {
        pieces.Take(std::string_view(record).substr(at, std::min(cut + 1, size - at)));
      }
      Decoder decoder("", &pieces);
      EXPECT_EQ(decoder.Byte(), size >= 1 ? 0xfe : 0);
      EXPECT_EQ(decoder.Varint(), size >= 3 ? 300u : 0u);
      EXPECT_EQ(decoder.Signed(), size >= 4 ? -3 : 0);
      EXPECT_EQ(decoder.Fixed<uint32_t>(), size >= 8 ? 0x01020304u : 0u);
      EXPECT_EQ(decoder.Bytes(), size >= 12 ? "abc" : "");
      EXPECT_EQ(decoder.Bytes(), "");
      EXPECT_EQ(decoder.ok(), size == record.size());
      EXPECT_TRUE(decoder.done());
    }
  }
}

}  // namespace
}  // namespace runnel
