#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::bench {

// The words of a request. In a request that is sent many times each run of '#' is the place of a
// number that differs from one to the next, written in decimal with as many digits.
using Words = std::vector<std::string>;

// A RESP array of bulk strings, which is what a request is.
std::string EncodeRequest(const Words& words);

// The same in pieces, without a copy of the words: the head of a request, then each word.
void AppendHead(std::string* out, size_t words);
void AppendWord(std::string* out, std::string_view word);

// A value of `size` bytes without '#' or line ends that does not repeat itself quickly, always the
// same for one size and seed.
std::string MakeValue(size_t size, uint32_t seed = 1);

// So many different values of `size` bytes that a server which packs what it writes does not find
// one of them twice in the window that it looks at.
std::vector<std::string> DifferentValues(size_t size);

// Which number request i carries: first + (i / repeat * stride) % modulo. If `scattered`, a hash
// takes the place of i, so that numbers do not come in the same order again. The default first
// number has ten digits, so that ten places hold it without leading zeros, which an ID should not
// have.
struct Numbers {
  static constexpr uint64_t kFirst = 1'000'000'000;

  uint64_t first = kFirst;
  uint64_t repeat = 1;
  uint64_t stride = 1;
  uint64_t modulo = UINT64_MAX;
  bool scattered = false;

  uint64_t At(uint64_t i) const {
    return first + (scattered ? Hash(i) : i) / repeat * stride % modulo;
  }

 private:
  static uint64_t Hash(uint64_t i);
};

// A row of requests, one after the other, encoded once; between uses only the digits change. So
// sending costs the load tool little more than the system call. The requests are of one or more
// kinds that take turns: kinds A and B make A B A B ...
class RequestBatch {
 public:
  // Has room for `size` requests whatever the kind of the first one; both are at least 1.
  RequestBatch(const std::vector<Words>& kinds, int size);

  // `count` requests, up to the size of the batch, that are number `first` and following of all
  // that are ever sent: that tells their kinds, and `numbers` what they carry. The bytes are valid
  // until the next call.
  std::string_view Take(uint64_t first, uint64_t count, const Numbers& numbers);

 private:
  // Where the number of a request is.
  struct Digits {
    size_t begin;
    size_t width;
  };
  struct Place {
    size_t begin;   // of the request
    size_t digits;  // the first of its own in digits_
  };

  void AddDigits(std::string_view request);

  std::string bytes_;
  std::vector<Digits> digits_;
  std::vector<Place> places_;  // and one more, for the end
  size_t kinds_;
};

}  // namespace runnel::bench
