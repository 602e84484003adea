#include "broker/commands/function_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/crc64.h"
#include "base/random.h"

namespace runnel {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kMost = 100'000;

std::string Sealed(std::string dump, uint16_t version = 10) {
  Encoder out(&dump);
  out.Fixed(version);
  out.Fixed(Crc64(dump));
  return dump;
}

Result<std::vector<std::string>> ReadFunctionDump(const std::string& dump, size_t most_bytes) {
  Result<FunctionDumpReader> reader = FunctionDumpReader::Open(dump, most_bytes);
  if (!reader.ok()) return reader.status();
  std::vector<std::string> texts;
  while (!reader->done()) {
    Result<std::string> text = reader->Next();
    if (!text.ok()) return text.status();
    texts.push_back(std::move(*text));
  }
  return texts;
}

std::string WhyNot(const std::string& dump) {
  const auto texts = ReadFunctionDump(dump, kMost);
  return texts.ok() ? "it is good" : texts.message();
}

std::vector<std::string> Texts(const std::string& dump) {
  const auto texts = ReadFunctionDump(dump, kMost);
  EXPECT_TRUE(texts.ok()) << texts.message();
  return texts.ok() ? *texts : std::vector<std::string>();
}

TEST(FunctionDumpTest, WhatIsDumpedIsRead) {
  FunctionCatalog catalog;
  // What redis-server 7.0 gives, too.
  EXPECT_EQ(DumpFunctions(catalog), "\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda"s);
  EXPECT_THAT(Texts(DumpFunctions(catalog)), IsEmpty());
  // At both sides of each form of a length.
  std::vector<std::string> expected;
  for (const size_t size : {1, 63, 64, 16'383, 16'384, 70'000}) {
    expected.emplace_back(size, static_cast<char>('a' + expected.size()));
    const std::string name = "l" + std::to_string(expected.size());
    catalog.Put({name, expected.back(), {{"f" + name}}});
  }
  const std::string dump = DumpFunctions(catalog);
  EXPECT_EQ(Texts(dump), expected);
  EXPECT_LE(dump.size(), DumpBytes(catalog));
}

// A dump of redis-server 7.0.15, which compresses texts.
TEST(FunctionDumpTest, ADumpOfRedisIsRead) {
  const std::string dump =
      "\xf5\xc3@\xb1@\xe8\x1f#!lua name=l1\nredis.register_fun\x0b"
      "ction('f1', \xe0\x00\x0e\x0ck,a) return { \x0c\x05} end)\xe0\x0f=\x00{\xc0"
      "7\x00_`f\x02'f2 K\x08"
      "callback=\xc0\x1c\xe0\x04T\x80\x87@#\x0b('get',k[1])@e \x85\x12lags={'no-writes',' "
      "L\x12ow-stale'}, descrip@\xba\x01='@\x0c\x01'}\n\x00\x8e\xb2y5\x9c\x10%\xa6"s;
  EXPECT_THAT(
      Texts(dump),
      ElementsAre("#!lua name=l1\nredis.register_function('f1', function(k,a) return {k,a} end)\n"
                  "redis.register_function{function_name='f2', callback=function(k,a) return "
                  "redis.call('get',k[1]) end, flags={'no-writes','allow-stale'}, "
                  "description='desc'}"));
}

TEST(FunctionDumpTest, OtherFormsOfTexts) {
  EXPECT_THAT(Texts(Sealed("\xf5\x81\x00\x00\x00\x00\x00\x00\x00\x03xyz"s)), ElementsAre("xyz"));
  EXPECT_THAT(Texts(Sealed("\xf5\xc0\xfb\xf5\xc1\x00\x01\xf5\xc2\x00\x00\x01\x00"s)),
              ElementsAre("-5", "256", "65536"));
  // A copy that reaches into itself; one that is longer than eight.
  EXPECT_THAT(Texts(Sealed("\xf5\xc3\x07\x0f\x00z\xe0\x04\x00\x00y"s)),
              ElementsAre(std::string(14, 'z') + "y"));
  EXPECT_EQ(WhyNot(Sealed("", 11)), "it is good");
  EXPECT_EQ(WhyNot(Sealed("", 12)), "it is good");
}

TEST(FunctionDumpTest, WhatIsNoDump) {
  constexpr char kUnsealed[] = "DUMP payload version or checksum are wrong";
  constexpr char kNoText[] = "Failed loading library payload";
  EXPECT_EQ(WhyNot(""), kUnsealed);
  EXPECT_EQ(WhyNot("too short"), kUnsealed);
  EXPECT_EQ(WhyNot(Sealed("", 13)), kUnsealed);
  EXPECT_EQ(WhyNot(Sealed("\xf4\x01x")), "given type is not a function");
  EXPECT_EQ(WhyNot(Sealed("\xf6\x01x")), "Pre-GA function format not supported");
  for (const std::string& text :
       {""s,                                       // nothing
        "\x03xy"s,                                 // too short
        "\x40"s, "\x80\x00\x00\x00"s, "\x82"s,     // no whole length
        "\xc0"s, "\xc1\x00"s, "\xc4"s,             // no number
        "\xc3\x01"s, "\xc3\x02\x02\x00"s,          // no whole compressed text
        "\xc3\x02\x02\x00x"s,                      // shorter than it says
        "\xc3\x02\x00\x00x"s,                      // longer
        "\xc3\x02\x05\x20\x00"s,                   // copies what is not there
        "\xc3\x04\x09\x00x\xe0\x00"s,              // no distance
        "\xc3\x03\x09\x00x\xe0"s,                  // no length
        "\xc3\x04\x03\x00x\x40\x00"s,              // copies too much
        "\x81\x40\x00\x00\x00\x00\x00\x00\x00x"s,  // more than there can be
        "\x80\x00\x01\x86\xa1"s + std::string(kMost + 1, 'x')}) {
    EXPECT_EQ(WhyNot(Sealed("\xf5" + text)), kNoText) << text.substr(0, 20);
  }
  // No byte may be another one.
  const std::string dump = Sealed("\xf5\x01x");
  for (size_t i = 0; i < dump.size(); i++) {
    std::string damaged = dump;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_EQ(WhyNot(damaged), kUnsealed) << i;
  }
}

// Whatever the bytes are, they are read within their bounds.
TEST(FunctionDumpTest, RandomBytes) {
  Random random(3);
  constexpr uint8_t kLikely[] = {0xf5, 0xc3, 0x81, 0x80, 0xc0, 0x20, 0xe0, 0x05, 0x00, 0x40};
  size_t good = 0;
  for (int i = 0; i < 200'000; i++) {
    std::string bytes = "\xf5";
    for (uint64_t left = random.Below(20); left > 0; left--) {
      bytes.push_back(
          static_cast<char>(random.Below(3) == 0 ? random.Below(256) : kLikely[random.Below(10)]));
    }
    const auto texts = ReadFunctionDump(Sealed(bytes), kMost);
    if (!texts.ok()) continue;
    good++;
    for (const std::string& text : *texts) {
      ASSERT_LE(text.size(), kMost);
    }
  }
  EXPECT_GT(good, 1000u);
}

}  // namespace
}  // namespace runnel
