#include "commands/stream/replies.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace runnel::commands {
namespace {

// A reply as ReplyWriter alone writes it, to compare with.
std::string Plain(StreamId id, const std::vector<std::string>& fields) {
  Rope rope;
  ReplyWriter reply(&rope);
  reply.Array(2);
  reply.BulkId(id);
  reply.Array(fields.size());
  for (const std::string& field : fields) {
    reply.Bulk(field);
  }
  return rope.ToString();
}

TEST(StreamRepliesTest, WritesEntriesOfAllSizes) {
  const std::vector<StreamId> ids = {{0, 1},
                                     {9, 9},
                                     {123456, 7},
                                     {1234567, 0},
                                     {12345678, 0},
                                     {1'700'000'000'000, 12},
                                     {UINT64_MAX, UINT64_MAX}};
  const std::vector<std::vector<std::string>> all_fields = {
      {"f", "v"},
      {"", ""},
      {"name", std::string(9, 'x'), "other", std::string(10, 'x')},
      {std::string(99, 'n'), std::string(100, 'v'), "f", std::string(999, 'v')},
      {"f", std::string(1000, 'v'), "g", std::string(8191, 'v')},
      {"f", std::string(8192, 'v')},
      {std::string(100'000, 'n'), std::string(1'000'000, 'v')},
      std::vector<std::string>(2000, "repeated"),
  };
  for (const StreamId id : ids) {
    for (size_t i = 0; i < all_fields.size(); i++) {
      const std::vector<std::string_view> fields(all_fields[i].begin(), all_fields[i].end());
      Stream one;
      one.Append(id, fields, StreamLimits());
      const EntryCursor at = one.Seek(id);
      Rope rope;
      ReplyWriter reply(&rope);
      WriteEntry(reply, EntryForm::kPlain, *at);
      EXPECT_EQ(rope.ToString(), Plain(id, all_fields[i])) << id.ToString() << " " << i;
      EXPECT_EQ(EntryReplyBytes(*at), rope.size()) << id.ToString() << " " << i;
    }
  }
}

TEST(StreamRepliesTest, WritesRowsOfEntries) {
  Stream stream;
  const std::vector<std::string_view> fields = {"f", "v"};
  const StreamLimits limits{3, 4096};
  for (uint64_t i = 1; i <= 10; i++) {
    stream.Append({i, 0}, fields, limits);
  }
  stream.Delete({4, 0});
  Rope rope;
  ReplyWriter reply(&rope);
  WriteEntries(reply, EntryForm::kPlain, stream.Seek({2, 0}), 3);
  EXPECT_EQ(rope.ToString(), "*3\r\n" + Plain({2, 0}, {"f", "v"}) + Plain({3, 0}, {"f", "v"}) +
                                 Plain({5, 0}, {"f", "v"}));
  rope.Clear();
  WriteEntriesBack(reply, EntryForm::kPlain, stream.SeekBack({5, 0}), 2);
  EXPECT_EQ(rope.ToString(), "*2\r\n" + Plain({5, 0}, {"f", "v"}) + Plain({3, 0}, {"f", "v"}));
  rope.Clear();
  WriteEntries(reply, EntryForm::kPlain, EntryCursor(), 0);
  EXPECT_EQ(rope.ToString(), "*0\r\n");
}

TEST(StreamRepliesTest, WritesClaimedEntries) {
  Stream stream;
  const std::vector<std::string_view> fields = {"f", "v"};
  stream.Append({1, 0}, fields, StreamLimits());
  Rope rope;
  ReplyWriter reply(&rope);
  WriteClaimedEntry(reply, EntryForm::kPlain, *stream.Seek({1, 0}), -1, kMaxDeliveries);
  EXPECT_EQ(rope.ToString(),
            "*4\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n:-1\r\n:9223372036854775807\r\n");
}

}  // namespace
}  // namespace runnel::commands
