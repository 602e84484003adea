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

// The last step of splitmix64.
uint64_t Numbers::Hash(uint64_t i) {
  i = (i + 1) * 0x9e3779b97f4a7c15;
  i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9;
  i = (i ^ i >> 27) * 0x94d049bb133111eb;
  return i ^ i >> 31;
}

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

std::vector<std::string> DifferentValues(size_t size) {
  constexpr size_t kBytes = 256 * 1024;
  std::vector<std::string> values(std::max<size_t>(kBytes / size, 1));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = MakeValue(size, static_cast<uint32_t>(i) * 2654435761 + 1);
  return values;
}

RequestBatch::RequestBatch(const std::vector<Words>& kinds, int size) : kinds_(kinds.size()) {
  const size_t requests = static_cast<size_t>(size) + kinds.size() - 1;
  for (size_t i = 0; i < requests; ++i) {
    const std::string request = EncodeRequest(kinds[i % kinds.size()]);
    places_.push_back({bytes_.size(), digits_.size()});
    AddDigits(request);
    bytes_ += request;
  }
  places_.push_back({bytes_.size(), digits_.size()});
}

// The places in a request that follows bytes_.
void RequestBatch::AddDigits(std::string_view request) {
  for (size_t first = request.find('#'); first != std::string_view::npos;) {
    const size_t last = std::min(request.find_first_not_of('#', first), request.size());
    digits_.push_back({bytes_.size() + first, last - first});
    first = request.find('#', last);
  }
}

std::string_view RequestBatch::Take(uint64_t first, uint64_t count, const Numbers& numbers) {
  const size_t from = first % kinds_;
  for (uint64_t i = 0; i < count; ++i) {
    const size_t end = places_[from + i + 1].digits;
    for (size_t j = places_[from + i].digits; j < end; ++j) {
      WriteDigits(bytes_.data() + digits_[j].begin, digits_[j].width, numbers.At(first + i));
    }
  }
  const size_t begin = places_[from].begin;
  return std::string_view(bytes_).substr(begin, places_[from + count].begin - begin);
}

}  // namespace runnel::bench
