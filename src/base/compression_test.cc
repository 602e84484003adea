#include "base/compression.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace runnel {
namespace {

std::string Text() {
  std::string text;
  for (int i = 0; i < 5000; i++) {
    text += "entry " + std::to_string(i * 7919 % 1000) + "; ";
  }
  return text;
}

std::string Noise(size_t bytes) {
  std::mt19937_64 random(1);
  std::string noise(bytes, '\0');
  for (char& c : noise) {
    c = static_cast<char>(random());
  }
  return noise;
}

TEST(Compression, GivesBackWhatItTook) {
  std::string buffer;
  for (const Codec codec : {Codec::kNone, Codec::kLz4, Codec::kZstd}) {
    for (const std::string& raw : {std::string(), std::string("a"), Text(), Noise(10'000)}) {
      std::string_view stored;
      const Codec used = Compress(codec, raw, &buffer, &stored);
      EXPECT_LE(stored.size(), raw.size());
      std::string again(raw.size(), '\0');
      ASSERT_TRUE(Decompress(used, stored, again.data(), again.size()));
      EXPECT_EQ(again, raw);
    }
  }
}

TEST(Compression, MakesTextSmallerAndLeavesNoiseAlone) {
  std::string buffer;
  std::string_view stored;
  for (const Codec codec : {Codec::kLz4, Codec::kZstd}) {
    const std::string text = Text();
    EXPECT_EQ(Compress(codec, text, &buffer, &stored), codec);
    EXPECT_LT(stored.size(), text.size() / 2);
    const std::string noise = Noise(10'000);
    EXPECT_EQ(Compress(codec, noise, &buffer, &stored), Codec::kNone);
    EXPECT_EQ(stored.data(), noise.data());
  }
}

TEST(Compression, DamageAndWrongSizesAreRefusedOrHarmless) {
  std::string buffer;
  std::string_view stored;
  const std::string text = Text();
  for (const Codec codec : {Codec::kLz4, Codec::kZstd}) {
    ASSERT_EQ(Compress(codec, text, &buffer, &stored), codec);
    std::string raw(2 * text.size(), '\0');
    EXPECT_FALSE(Decompress(codec, stored, raw.data(), text.size() - 1));
    EXPECT_FALSE(Decompress(codec, stored, raw.data(), text.size() + 1));
    EXPECT_FALSE(Decompress(codec, stored.substr(0, stored.size() / 2), raw.data(), text.size()));
    EXPECT_FALSE(Decompress(codec, "", raw.data(), text.size()));
    for (size_t i = 0; i < stored.size(); i += 7) {
      std::string damaged(stored);
      damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
      (void)Decompress(codec, damaged, raw.data(), text.size());
    }
  }
  char byte;
  EXPECT_FALSE(Decompress(static_cast<Codec>(3), "a", &byte, 1));
}

}  // namespace
}  // namespace runnel
