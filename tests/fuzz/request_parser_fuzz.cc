// The same bytes, given to the parser at once and cut into pieces, must give the same requests and
// the same end.
//
// Input: a seed for the pieces (4 bytes), options (1 byte), and what the client sends.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "resp/request_parser.h"

namespace {

using runnel::RequestLimits;
using runnel::RequestParser;

struct Heard {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  std::string rest;  // what belongs to an unfinished request

  bool operator==(const Heard&) const = default;
};

// Plays the connection: keeps what is not consumed and adds the next piece. The bytes lie in an
// allocation of their exact size, and in another one each time.
class Feeder {
 public:
  explicit Feeder(const RequestLimits& limits) : limits_(limits) {}

  // False after an error.
  bool Feed(std::string_view piece) {
    heard_.rest += piece;
    while (true) {
      const std::string_view input = Copy();
      const RequestParser::Outcome outcome = parser_.Parse(input, limits_);
      if (outcome == RequestParser::Outcome::kError) {
        heard_.error = parser_.error();
        CHECK(!heard_.error.empty());
        heard_.rest.clear();
        return false;
      }
      CHECK(parser_.consumed() <= input.size());
      if (outcome == RequestParser::Outcome::kMore) {
        CHECK(parser_.needed() > input.size() - parser_.consumed());
        heard_.rest.erase(0, parser_.consumed());
        return true;
      }
      CHECK(!parser_.args().empty() && parser_.consumed() > 0);
      heard_.requests.emplace_back(parser_.args().begin(), parser_.args().end());
      heard_.rest.erase(0, parser_.consumed());
    }
  }

  const Heard& heard() const { return heard_; }

 private:
  std::string_view Copy() {
    auto copy = std::make_unique<char[]>(heard_.rest.size());
    std::memcpy(copy.get(), heard_.rest.data(), heard_.rest.size());
    buffer_ = std::move(copy);
    return {buffer_.get(), heard_.rest.size()};
  }

  const RequestLimits limits_;
  RequestParser parser_;
  std::unique_ptr<char[]> buffer_;
  Heard heard_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 5) return 0;
  uint32_t seed;
  std::memcpy(&seed, data, sizeof(seed));
  RequestLimits limits;
  limits.authenticated = (data[4] & 1) != 0;
  limits.max_bulk_bytes = (data[4] & 2) != 0 ? 100 : 1 << 20;
  const std::string_view sent(reinterpret_cast<const char*>(data + 5), size - 5);

  Feeder whole(limits);
  whole.Feed(sent);

  Feeder pieces(limits);
  std::minstd_rand random(seed);
  std::string_view left = sent;
  while (!left.empty()) {
    // Small pieces, so that every kind of cut comes up, and now and then a large one.
    const size_t most = random() % 8 == 0 ? left.size() : 4;
    const std::string_view piece = left.substr(0, 1 + random() % most);
    left.remove_prefix(piece.size());
    if (!pieces.Feed(piece)) break;
  }
  CHECK(pieces.heard() == whole.heard());
  return 0;
}
