#include "script/sha1.h"

#include <bit>
#include <cstring>

namespace runnel {
namespace {

constexpr size_t kSha1Block = 64;

uint32_t LoadBigEndian(const unsigned char* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
}

// The rounds over one block (FIPS 180-4, 6.1.2).
void AddSha1Block(const unsigned char* block, std::array<uint32_t, 5>* state) {
  // The schedule needs only its last 16 words.
  std::array<uint32_t, 16> w;
  for (size_t i = 0; i < 16; i++) {
    w[i] = LoadBigEndian(block + 4 * i);
  }
  uint32_t a = (*state)[0];
  uint32_t b = (*state)[1];
  uint32_t c = (*state)[2];
  uint32_t d = (*state)[3];
  uint32_t e = (*state)[4];
  const auto round = [&](size_t i, uint32_t f, uint32_t k) {
    if (i >= 16) {
      const uint32_t mixed = w[(i + 13) % 16] ^ w[(i + 8) % 16] ^ w[(i + 2) % 16] ^ w[i % 16];
      w[i % 16] = std::rotl(mixed, 1);
    }
    const uint32_t next = std::rotl(a, 5) + f + e + k + w[i % 16];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  };
  for (size_t i = 0; i < 20; i++) {
    round(i, d ^ (b & (c ^ d)), 0x5a827999);
  }
  for (size_t i = 20; i < 40; i++) {
    round(i, b ^ c ^ d, 0x6ed9eba1);
  }
  for (size_t i = 40; i < 60; i++) {
    round(i, (b & c) | (d & (b | c)), 0x8f1bbcdc);
  }
  for (size_t i = 60; i < 80; i++) {
    round(i, b ^ c ^ d, 0xca62c1d6);
  }
  (*state)[0] += a;
  (*state)[1] += b;
  (*state)[2] += c;
  (*state)[3] += d;
  (*state)[4] += e;
}

}  // namespace

void WriteSha1Hex(std::string_view bytes, std::array<char, 40>* out) {
  std::array<uint32_t, 5> state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kSha1Block; left -= kSha1Block, at += kSha1Block) {
    AddSha1Block(at, &state);
  }
  // The rest, a one bit, zeros, and the length in bits: one block or two.
  std::array<unsigned char, 2 * kSha1Block> tail = {};
  if (left > 0) std::memcpy(tail.data(), at, left);
  tail[left] = 0x80;
  const size_t end = left + 9 <= kSha1Block ? kSha1Block : 2 * kSha1Block;
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (size_t i = 0; i < 8; i++) {
    tail[end - 1 - i] = static_cast<unsigned char>(bits >> (8 * i));
  }
  for (size_t i = 0; i < end; i += kSha1Block) {
    AddSha1Block(tail.data() + i, &state);
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (size_t i = 0; i < out->size(); i++) {
    (*out)[i] = kDigits[(state[i / 8] >> (28 - 4 * (i % 8))) & 15];
  }
}

std::string Sha1Hex(std::string_view bytes) {
  std::array<char, 40> digits;
  WriteSha1Hex(bytes, &digits);
  return std::string(digits.data(), digits.size());
}

}  // namespace runnel
