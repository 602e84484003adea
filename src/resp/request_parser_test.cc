#include "resp/request_parser.h"

#include <cstring>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using std::string_literals::operator""s;
using Outcome = RequestParser::Outcome;
using Words = std::vector<std::string>;

std::string Large(size_t size) {
  return std::string(size, 'x');
}

// A connection's part: keeps what is not consumed and adds what arrives. Every look of the parser
// is at another allocation of exactly the input's size.
class Receiver {
 public:
  explicit Receiver(const RequestLimits& limits = {}) : limits_(limits) {}

  void Receive(std::string_view bytes) {
    buffer_ += bytes;
    while (error_.empty()) {
      block_ = std::make_unique<char[]>(buffer_.size());
      std::memcpy(block_.get(), buffer_.data(), buffer_.size());
      const Outcome outcome = parser_.Parse({block_.get(), buffer_.size()}, limits_);
      if (outcome == Outcome::kError) {
        error_ = parser_.error();
        return;
      }
      if (outcome == Outcome::kRequest) {
        requests_.emplace_back(parser_.args().begin(), parser_.args().end());
      }
      buffer_.erase(0, parser_.consumed());
      if (outcome == Outcome::kMore) return;
    }
  }

  const std::vector<Words>& requests() const { return requests_; }
  const std::string& error() const { return error_; }
  // Bytes of an unfinished request.
  size_t left() const { return buffer_.size(); }

 private:
  const RequestLimits limits_;
  RequestParser parser_;
  std::string buffer_;
  std::unique_ptr<char[]> block_;
  std::vector<Words> requests_;
  std::string error_;
};

// The requests in the bytes, after a check that it does not matter where they are cut: at every
// place in two pieces, and into single bytes.
std::vector<Words> Parse(const std::string& bytes) {
  Receiver whole;
  whole.Receive(bytes);
  EXPECT_EQ(whole.error(), "");
  EXPECT_EQ(whole.left(), 0u);
  for (size_t cut = 0; cut <= bytes.size(); cut++) {
    Receiver receiver;
    receiver.Receive(bytes.substr(0, cut));
    receiver.Receive(bytes.substr(cut));
    EXPECT_EQ(receiver.error(), "") << "cut at " << cut;
    EXPECT_EQ(receiver.requests(), whole.requests()) << "cut at " << cut;
    EXPECT_EQ(receiver.left(), 0u) << "cut at " << cut;
  }
  Receiver receiver;
  for (const char byte : bytes) {
    receiver.Receive({&byte, 1});
  }
  EXPECT_EQ(receiver.requests(), whole.requests());
  return whole.requests();
}

// The error that the bytes end in, wherever they are cut.
std::string ParseError(const std::string& bytes, const RequestLimits& limits = {}) {
  Receiver whole(limits);
  whole.Receive(bytes);
  for (size_t cut = 0; cut < bytes.size(); cut++) {
    Receiver receiver(limits);
    receiver.Receive(bytes.substr(0, cut));
    receiver.Receive(bytes.substr(cut));
    EXPECT_EQ(receiver.error(), whole.error()) << "cut at " << cut;
  }
  return whole.error();
}

TEST(RequestParserTest, Arrays) {
  EXPECT_THAT(Parse("*1\r\n$4\r\nPING\r\n"), ElementsAre(Words{"PING"}));
  EXPECT_THAT(Parse("*2\r\n$3\r\nGET\r\n$0\r\n\r\n"), ElementsAre(Words{"GET", ""}));
  EXPECT_THAT(Parse("*3\r\n$3\r\nSET\r\n$1\r\n\n\r\n$5\r\n*\0\r\n$\r\n"s),
              ElementsAre(Words{"SET", "\n", std::string("*\0\r\n$", 5)}));
  EXPECT_THAT(Parse("*2\r\n$12\r\nabcdefghijkl\r\n$10\r\n0123456789\r\n"),
              ElementsAre(Words{"abcdefghijkl", "0123456789"}));
}

TEST(RequestParserTest, ManyArguments) {
  std::string bytes = "*120\r\n";
  for (int i = 0; i < 120; i++) {
    bytes += "$1\r\na\r\n";
  }
  EXPECT_THAT(Parse(bytes), ElementsAre(Words(120, "a")));
}

TEST(RequestParserTest, Pipelines) {
  EXPECT_THAT(Parse("*1\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\nd e\r\n*1\r\n$1\r\nf\r\n"),
              ElementsAre(Words{"a"}, Words{"b", "c"}, Words{"d", "e"}, Words{"f"}));
}

TEST(RequestParserTest, EmptyRequestsAreSkipped) {
  EXPECT_THAT(Parse("\r\n\n*0\r\n*-1\r\n  \r\n*-7\r\n"), IsEmpty());
  EXPECT_THAT(Parse("\r\n*0\r\n*1\r\n$1\r\na\r\n\r\n"), ElementsAre(Words{"a"}));
}

TEST(RequestParserTest, TheBytesBehindABulkAreNotLookedAt) {
  EXPECT_THAT(Parse("*2\r\n$1\r\na__$1\r\nb??*1\r\n$1\r\nc\r\n"),
              ElementsAre(Words{"a", "b"}, Words{"c"}));
}

TEST(RequestParserTest, TheSecondByteOfALineEndIsNotLookedAt) {
  EXPECT_THAT(Parse("*1\r_$1\r_a\r\n"), ElementsAre(Words{"a"}));
}

TEST(RequestParserTest, Inline) {
  EXPECT_THAT(Parse("PING\r\n"), ElementsAre(Words{"PING"}));
  EXPECT_THAT(Parse("PING\n"), ElementsAre(Words{"PING"}));
  EXPECT_THAT(Parse("  set\tkey  \"a b\" 'c d' \"\" \r\n"),
              ElementsAre(Words{"set", "key", "a b", "c d", ""}));
  EXPECT_THAT(Parse("echo \"\\x41\\n\\\"\" 'it\\'s'\r\n"),
              ElementsAre(Words{"echo", "A\n\"", "it's"}));
}

TEST(RequestParserTest, ProtocolErrors) {
  const std::pair<std::string, std::string> cases[] = {
      {"*1\r\n:1\r\n", "expected '$', got ':'"},
      {"*2\r\n$1\r\na\r\n*", "expected '$', got '*'"},
      {"*x\r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"* 1\r\n", "invalid multibulk length"},
      {"*01\r\n", "invalid multibulk length"},
      {"*+1\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*99999999999999999999\r\n", "invalid multibulk length"},
      {"*1\r\n$\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$a\r\n", "invalid bulk length"},
      {"*1\r\n$1 \r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"GET \"a\r\n", "unbalanced quotes in request"},
      {"GET 'a\n", "unbalanced quotes in request"},
      {"GET \"a\"b\r\n", "unbalanced quotes in request"},
  };
  for (const auto& [bytes, error] : cases) {
    EXPECT_EQ(ParseError(bytes), error) << bytes;
    EXPECT_EQ(ParseError("*1\r\n$4\r\nPING\r\n" + bytes), error) << bytes;
  }
}

TEST(RequestParserTest, BulksUpToTheLimitAreTaken) {
  RequestLimits limits;
  limits.max_bulk_bytes = 5;
  EXPECT_EQ(ParseError("*1\r\n$5\r\nabcde\r\n", limits), "");
  EXPECT_EQ(ParseError("*1\r\n$6\r\n", limits), "invalid bulk length");
  // The limit is only for bulks.
  EXPECT_EQ(ParseError("abcdef\r\n", limits), "");
}

TEST(RequestParserTest, BeforeAuthenticationLimitsAreTighter) {
  RequestLimits limits;
  limits.authenticated = false;
  EXPECT_EQ(ParseError("*10\r\n", limits), "");
  EXPECT_EQ(ParseError("*11\r\n", limits), "unauthenticated multibulk length");
  EXPECT_EQ(ParseError("*1\r\n$16384\r\n", limits), "");
  EXPECT_EQ(ParseError("*1\r\n$16385\r\n", limits), "unauthenticated bulk length");
}

// Redis allows 64 KiB for a line, and counts what is there without the end of the line.
TEST(RequestParserTest, LinesHaveALimit) {
  const struct {
    std::string start;
    char fill;
    std::string error;
  } cases[] = {
      {"", 'a', "too big inline request"},
      {"*", '1', "too big mbulk count string"},
      {"*1\r\n$", '1', "too big bulk count string"},
  };
  constexpr size_t kMaxLine = 64 * 1024;
  for (const auto& [start, fill, error] : cases) {
    const size_t in_line = start.size() - (start.rfind('\n') + 1);
    Receiver receiver;
    receiver.Receive(start + std::string(kMaxLine - in_line, fill));
    EXPECT_EQ(receiver.error(), "");
    receiver.Receive(std::string(1, fill));
    EXPECT_EQ(receiver.error(), error);
  }
}

TEST(RequestParserTest, InlineWithinTheLimitIsTaken) {
  const std::string word = Large(64 * 1024 - 1);
  Receiver receiver;
  receiver.Receive(word);
  receiver.Receive("\r\n");
  EXPECT_THAT(receiver.requests(), ElementsAre(Words{word}));
}

TEST(RequestParserTest, SaysHowMuchItNeeds) {
  RequestParser parser;
  const std::string head = "*2\r\n$3\r\nSET\r\n$1000\r\n";
  ASSERT_EQ(parser.Parse(head, {}), Outcome::kMore);
  EXPECT_EQ(parser.needed(), head.size() + 1002);
  EXPECT_EQ(parser.consumed(), 0u);
  const std::string more = head + Large(500);
  ASSERT_EQ(parser.Parse(more, {}), Outcome::kMore);
  EXPECT_EQ(parser.needed(), head.size() + 1002);
  const std::string whole = head + Large(1000) + "\r\n";
  ASSERT_EQ(parser.Parse(whole, {}), Outcome::kRequest);
  EXPECT_THAT(parser.args(), ElementsAre("SET", Large(1000)));
  EXPECT_EQ(parser.consumed(), whole.size());
}

TEST(RequestParserTest, ConsumesEmptyRequestsBeforeAnUnfinishedOne) {
  RequestParser parser;
  ASSERT_EQ(parser.Parse("\r\n*0\r\n*1\r\n$4\r\nPI", {}), Outcome::kMore);
  EXPECT_EQ(parser.consumed(), 6u);
  ASSERT_EQ(parser.Parse("*1\r\n$4\r\nPING\r\nrest", {}), Outcome::kRequest);
  EXPECT_THAT(parser.args(), ElementsAre("PING"));
  EXPECT_EQ(parser.consumed(), 14u);
}

// No copy is made of what arrives as an array.
TEST(RequestParserTest, ArgumentsAreViewsIntoTheInput) {
  const std::string input = "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n";
  RequestParser parser;
  ASSERT_EQ(parser.Parse(input, {}), Outcome::kRequest);
  EXPECT_EQ(parser.args()[0].data(), input.data() + 8);
  EXPECT_EQ(parser.args()[1].data(), input.data() + 18);
}

TEST(RequestParserTest, OneLargeRequestLeavesNoMemory) {
  RequestParser parser;
  std::string bytes = "*100000\r\n";
  for (int i = 0; i < 100'000; i++) {
    bytes += "$1\r\nx\r\n";
  }
  ASSERT_EQ(parser.Parse(bytes, {}), Outcome::kRequest);
  EXPECT_EQ(parser.args().size(), 100'000u);
  EXPECT_GE(parser.MemoryBytes(), 100'000 * sizeof(std::string_view));
  parser.ReleaseSpare();
  EXPECT_LT(parser.MemoryBytes(), 100u);
  ASSERT_EQ(parser.Parse("PING a\r\n", {}), Outcome::kRequest);
  parser.ReleaseSpare();
  EXPECT_GT(parser.MemoryBytes(), 0u);
}

TEST(SplitWordsTest, SplitsAndUnquotes) {
  const std::pair<std::string, Words> cases[] = {
      {"", {}},
      {" \t\r\n\v\f", {}},
      {"a b  c", {"a", "b", "c"}},
      {"a\"b c\"", {"ab c"}},
      {R"("\n\r\t\b\a\\\"")", {"\n\r\t\b\a\\\""}},
      {R"("\x00\xFf\x4")", {std::string("\0\xff", 2) + "x4"}},
      {R"("\q\xzz")", {"qxzz"}},
      {R"('\n\x41\'')", {R"(\n\x41')"}},
      {R"("'" '"')", {"'", "\""}},
      {R"("" '')", {"", ""}},
      {R"(a\nb)", {R"(a\nb)"}},
      {"caf\xc3\xa9 \xff", {"caf\xc3\xa9", "\xff"}},
  };
  for (const auto& [line, words] : cases) {
    Words split;
    EXPECT_TRUE(SplitWords(line, &split)) << line;
    EXPECT_EQ(split, words) << line;
  }
}

TEST(SplitWordsTest, QuotesMustMatch) {
  for (const char* line :
       {"\"", "'", "a \"b", "a 'b\"", "\"a\\\"", "'a\\'", "\"a\"b", "'a'\"b\""}) {
    Words words;
    EXPECT_FALSE(SplitWords(line, &words)) << line;
  }
}

}  // namespace
}  // namespace runnel
