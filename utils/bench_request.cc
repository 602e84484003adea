#include "utils/bench_request.h"

#include <fmt/format.h>

#include <algorithm>

namespace runnel::bench {

namespace {

// The last `width` digits of `number`, with leading zeros.
void WriteDigits(char* digits, size_t width, uint64_t number) {
  for (size_t i = width; i > 0; --i) {
    digits[i - 1] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

void AppendLine(std::string* out, char type, size_t number) {
  const fmt::format_int digits(number);
  out->push_back(type);
  out->append(digits.data(), digits.size()).append("\r\n");
}

}  // namespace

std::string EncodeRequest(const Words& words) {
  std::string out;
  AppendHead(&out, words.size());
  for (const std::string& word : words)
    AppendWord(&out, word);
  return out;
}

void AppendHead(std::string* out, size_t words) {
  AppendLine(out, '*', words);
}

void AppendWord(std::string* out, std::string_view word) {
  AppendLine(out, '$', word.size());
  out->append(word).append("\r\n");
}

std::string MakeValue(size_t size, uint32_t seed) {
  std::string value(size, '\0');
  uint32_t state = seed;
  for (char& c : value) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>('a' + (state >> 24) % 26);
  }
  return value;
}

RequestBatch::RequestBatch(const std::vector<Words>& kinds, int size) : kinds_(kinds.size()) {
  const size_t requests = static_cast<size_t>(size) + kinds.size() - 1;
  for (size_t i = 0; i < requests; ++i) {
    const std::string request = EncodeRequest(kinds[i % kinds.size()]);
    const size_t first = std::min(request.find('#'), request.size());
    const size_t last = std::min(request.find_first_not_of('#', first), request.size());
    places_.push_back({bytes_.size(), bytes_.size() + first, last - first});
    bytes_ += request;
  }
  places_.push_back({bytes_.size(), bytes_.size(), 0});
}

std::string_view RequestBatch::Take(uint64_t first, uint64_t count, const Numbers& numbers) {
  const size_t from = first % kinds_;
  for (uint64_t i = 0; i < count; ++i) {
    const Place& place = places_[from + i];
    if (place.digits_width > 0) {
      WriteDigits(bytes_.data() + place.digits, place.digits_width, numbers.At(first + i));
    }
  }
  const size_t begin = places_[from].begin;
  return std::string_view(bytes_).substr(begin, places_[from + count].begin - begin);
}

}  // namespace runnel::bench
