#include "resp/reply_writer.h"

#include <limits>

#include "gtest/gtest.h"

namespace runnel {
namespace {

template <class Write>
std::string Written(int protocol, Write write) {
  Rope rope;
  ReplyWriter reply(&rope);
  reply.set_protocol(protocol);
  write(reply);
  return rope.ToString();
}

// What differs between the protocols.
TEST(ReplyWriterTest, ShapesOfBothProtocols) {
  const struct {
    void (*write)(ReplyWriter& reply);
    const char* resp2;
    const char* resp3;
  } cases[] = {
      {[](ReplyWriter& reply) { reply.Map(2); }, "*4\r\n", "%2\r\n"},
      {[](ReplyWriter& reply) { reply.Set(3); }, "*3\r\n", "~3\r\n"},
      {[](ReplyWriter& reply) { reply.Push(3); }, "*3\r\n", ">3\r\n"},
      {[](ReplyWriter& reply) { reply.Null(); }, "$-1\r\n", "_\r\n"},
      {[](ReplyWriter& reply) { reply.NullArray(); }, "*-1\r\n", "_\r\n"},
      {[](ReplyWriter& reply) { reply.Double(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
      {[](ReplyWriter& reply) { reply.Double(-std::numeric_limits<double>::infinity()); },
       "$4\r\n-inf\r\n", ",-inf\r\n"},
      {[](ReplyWriter& reply) { reply.Bool(true); }, ":1\r\n", "#t\r\n"},
      {[](ReplyWriter& reply) { reply.Bool(false); }, ":0\r\n", "#f\r\n"},
      {[](ReplyWriter& reply) { reply.Verbatim("a\r\nb"); }, "$4\r\na\r\nb\r\n",
       "=8\r\ntxt:a\r\nb\r\n"},
  };
  for (const auto& [write, resp2, resp3] : cases) {
    EXPECT_EQ(Written(2, write), resp2);
    EXPECT_EQ(Written(3, write), resp3);
  }
}

// What does not.
TEST(ReplyWriterTest, ShapesOfEither) {
  for (const int protocol : {2, 3}) {
    EXPECT_EQ(Written(protocol, [](ReplyWriter& reply) { reply.Ok(); }), "+OK\r\n");
    EXPECT_EQ(Written(protocol, [](ReplyWriter& reply) { reply.Simple("QUEUED"); }), "+QUEUED\r\n");
    EXPECT_EQ(Written(protocol, [](ReplyWriter& reply) { reply.Array(0); }), "*0\r\n");
    EXPECT_EQ(Written(protocol, [](ReplyWriter& reply) { reply.Integer(-42); }), ":-42\r\n");
    EXPECT_EQ(Written(protocol, [](ReplyWriter& reply) { reply.Bulk(""); }), "$0\r\n\r\n");
    EXPECT_EQ(Written(protocol,
                      [](ReplyWriter& reply) {
                        reply.Bulk({"a\0\r\n", 4});
                      }),
              std::string("$4\r\na\0\r\n\r\n", 10));
    EXPECT_EQ(Written(protocol, [](ReplyWriter& reply) { reply.BulkInteger(-7); }), "$2\r\n-7\r\n");
    EXPECT_EQ(Written(protocol, [](ReplyWriter& reply) { reply.Raw(":1\r\n"); }), ":1\r\n");
  }
}

TEST(ReplyWriterTest, LargestNumbers) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(Written(2, [](ReplyWriter& reply) { reply.Integer(kLeast); }),
            ":-9223372036854775808\r\n");
  EXPECT_EQ(Written(2, [](ReplyWriter& reply) { reply.BulkInteger(kLeast); }),
            "$20\r\n-9223372036854775808\r\n");
  EXPECT_EQ(Written(2, [](ReplyWriter& reply) { reply.BulkId(StreamId::Max()); }),
            "$41\r\n18446744073709551615-18446744073709551615\r\n");
}

TEST(ReplyWriterTest, BulksOfEverySizeAreWhole) {
  for (const size_t size : {size_t{1}, size_t{9}, size_t{10}, size_t{8191}, size_t{8192},
                            size_t{8193}, size_t{16384}, size_t{100'000}}) {
    const std::string bytes(size, 'x');
    EXPECT_EQ(Written(2, [&](ReplyWriter& reply) { reply.Bulk(bytes); }),
              "$" + std::to_string(size) + "\r\n" + bytes + "\r\n");
    EXPECT_EQ(Written(3, [&](ReplyWriter& reply) { reply.Verbatim(bytes); }),
              "=" + std::to_string(size + 4) + "\r\ntxt:" + bytes + "\r\n");
  }
}

TEST(ReplyWriterTest, ErrorsStayOnOneLineAndAreCounted) {
  Rope rope;
  ReplyWriter reply(&rope);
  EXPECT_EQ(reply.errors(), 0u);
  reply.Error("WRONGTYPE Operation");
  EXPECT_EQ(reply.last_error_code(), "WRONGTYPE");
  reply.Error("ERR a\r\n+OK\nb");
  EXPECT_EQ(reply.last_error_code(), "ERR");
  reply.Error("EXECABORT");
  EXPECT_EQ(reply.last_error_code(), "ERR");
  reply.Error("A\r\nB c");
  EXPECT_EQ(reply.last_error_code(), "A");
  EXPECT_EQ(reply.errors(), 4u);
  EXPECT_EQ(rope.ToString(), "-WRONGTYPE Operation\r\n-ERR a  +OK b\r\n-EXECABORT\r\n-A  B c\r\n");
  reply.Error(std::string(30, 'c') + " x");
  EXPECT_EQ(reply.last_error_code(), std::string(30, 'c'));
  reply.Error(std::string(31, 'c') + " x");
  EXPECT_EQ(reply.last_error_code(), "ERR");
}

TEST(ReplyWriterTest, RepliesFollowEachOther) {
  EXPECT_EQ(Written(3,
                    [](ReplyWriter& reply) {
                      reply.Array(3);
                      reply.Bulk("a");
                      reply.Null();
                      reply.Map(1);
                      reply.Bulk("k");
                      reply.Integer(1);
                    }),
            "*3\r\n$1\r\na\r\n_\r\n%1\r\n$1\r\nk\r\n:1\r\n");
}

}  // namespace
}  // namespace runnel
