#include "utils/bench_reply.h"

#include <gtest/gtest.h>

namespace runnel::bench {
namespace {

// All kinds of values, some nested, each line one reply or push.
const char* const kReplies[] = {
    "+OK\r\n",
    "-ERR first\r\n",
    ":42\r\n",
    ":-2\r\n",
    "$3\r\nabc\r\n",
    "$0\r\n\r\n",
    "$4\r\n\r\n\r\n\r\n",  // a body that looks like line ends
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*2\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*1\r\n-ERR second\r\n",
    "_\r\n",
    "#t\r\n",
    ",1.5\r\n",
    "(123456789012345678901234567890\r\n",
    "=7\r\ntxt:abc\r\n",
    "!5\r\nERR x\r\n",
    "~2\r\n:1\r\n:2\r\n",
    "%1\r\n$1\r\nk\r\n*1\r\n$1\r\nv\r\n",
    "|1\r\n+ttl\r\n:9\r\n:5\r\n",  // an attribute, then the reply that it is about
    ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
    "%0\r\n",
};

std::string AllReplies() {
  std::string bytes;
  for (const char* reply : kReplies)
    bytes += reply;
  return bytes;
}

// Feeds `bytes` in pieces and returns the offsets after whole replies.
std::vector<size_t> Ends(ReplyScanner* scanner, std::string_view bytes, size_t piece) {
  std::vector<size_t> ends;
  for (size_t from = 0; from < bytes.size(); from += piece) {
    const std::string_view part = bytes.substr(from, piece);
    const char* at = part.begin();
    while (at != part.end()) {
      at = scanner->Scan(at, part.end());
      if (scanner->whole()) ends.push_back(static_cast<size_t>(at - bytes.begin()));
    }
  }
  return ends;
}

// Goal: the answer does not depend on how the network cuts the stream. Method: every piece size.
TEST(ReplyScannerTest, FindsTheSameEndsHoweverTheInputIsCut) {
  const std::string bytes = AllReplies();
  std::vector<size_t> expected;
  size_t end = 0;
  for (const char* reply : kReplies)
    expected.push_back(end += std::string_view(reply).size());
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    ReplyScanner scanner;
    EXPECT_EQ(Ends(&scanner, bytes, piece), expected) << "in pieces of " << piece;
    EXPECT_EQ(scanner.counts().replies, std::size(kReplies) - 1);
    EXPECT_EQ(scanner.counts().pushes, 1u);
    EXPECT_EQ(scanner.counts().errors, 3u);
    EXPECT_EQ(scanner.counts().bulks, 3u + 2u + 1u + 2u + 3u);
    EXPECT_EQ(scanner.counts().integers, 42 - 2);
    EXPECT_EQ(scanner.first_error(), "ERR first");
  }
}

TEST(ReplyScannerTest, EndsTheProcessOnWhatIsNotResp) {
  for (std::string_view bytes : {"HTTP/1.1 400\r\n", "$x\r\n", ":1\n", "\r\n", "*1 \r\n"}) {
    ReplyScanner scanner;
    EXPECT_EXIT(scanner.Scan(bytes.begin(), bytes.end()), testing::ExitedWithCode(1),
                "runnel-bench");
  }
}

TEST(CollectBulksTest, FlattensNestedReplies) {
  std::vector<std::string_view> bulks;
  CollectBulks(
      "*2\r\n$6\r\nstream\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$4\r\n\r\n$1\r\n"
      ":7\r\n",
      &bulks);
  EXPECT_EQ(bulks, (std::vector<std::string_view>{"stream", "1-1", "f", "\r\n$1"}));
  bulks.clear();
  CollectBulks("*2\r\n$-1\r\n_\r\n", &bulks);
  EXPECT_TRUE(bulks.empty());
}

TEST(ReplyReaderTest, TakesAReplyApart) {
  ReplyReader reader("*2\r\n$1\r\na\r\n*2\r\n:-7\r\n*0\r\n");
  EXPECT_EQ(reader.Array(), 2u);
  EXPECT_EQ(reader.Bulk(), "a");
  EXPECT_EQ(reader.Array(), 2u);
  EXPECT_EQ(reader.Integer(), -7);
  EXPECT_EQ(reader.Array(), 0u);
  EXPECT_EQ(ReplyReader("*-1\r\n").Array(), 0u);
  EXPECT_EQ(ReplyReader("_\r\n").Array(), 0u);
}

TEST(ReplyReaderTest, AValueOfAnotherKindEndsTheProcess) {
  EXPECT_DEATH(ReplyReader(":1\r\n").Bulk(), "in place of");
  EXPECT_DEATH(ReplyReader("$3\r\nab").Bulk(), "cut");
  EXPECT_DEATH(ReplyReader("").Array(), "in place of");
}

}  // namespace
}  // namespace runnel::bench
