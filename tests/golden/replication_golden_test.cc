// The small files of servers that follow each other: what an earlier version wrote is read, and
// writing gives the same bytes.

#include <gtest/gtest.h>

#include <string>

#include "replication/agreed_mark.h"
#include "replication/cluster_record.h"
#include "server/full_sync.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel {
namespace {

template <size_t kBytes>
std::string Literal(const char (&bytes)[kBytes]) {
  return {bytes, kBytes - 1};
}

TEST(ReplicationGoldenTest, TheRecordOfMembers) {
  const std::string bytes = Literal(
      "runnel-cluster 1\n"
      "\x03"
      "\x02\x01\0\0\0\0\0\0"
      "\0\0\0\0\x05\0\0\0"
      "\x01"
      "a"
      "\x02"
      "\x01"
      "a\0\xeb\x31\x01"
      "\x01"
      "b\x01h\xec\x31\0"
      "\x17\x97\xde\x2b\x15\xa5\xb4\x0e");
  replication::ClusterRecord record;
  record.version = 3;
  record.journal_id = 0x0102;
  record.epoch = uint64_t{5} << 32;
  record.leader = "a";
  record.members = {{"a", "", 6379, true}, {"b", "h", 6380, false}};
  sim::ModelDisk disk(1);
  sim::SteppedWorker helper;
  {
    auto file = replication::RecordFile::Open(disk, helper, "cluster");
    ASSERT_TRUE(file.ok());
    (*file)->Adopt(record);
    helper.Drain();
  }
  EXPECT_EQ(sim::ReadFile(disk, "cluster"), bytes);
  sim::WriteFile(disk, "old", bytes);
  auto old = replication::RecordFile::Open(disk, helper, "old");
  ASSERT_TRUE(old.ok()) << old.status().message();
  EXPECT_EQ((*old)->now(), record);
}

TEST(ReplicationGoldenTest, WhatTwoServersHad) {
  const std::string bytes = Literal(
      "runnel-mark 1\n"
      "\x02\x01\0\0\0\0\0\0"
      "\x04\x03\0\0\0\0\0\0"
      "\xe7\x69\x95\x3d\x08\x27\x45\x12");
  sim::ModelDisk disk(1);
  sim::SteppedWorker helper;
  {
    auto mark = replication::AgreedMark::Open(disk, helper, "mark");
    ASSERT_TRUE(mark.ok());
    (*mark)->Note(0x0102, 0x0304);
    (*mark)->Turn(10'000);
    helper.Drain();
  }
  EXPECT_EQ(sim::ReadFile(disk, "mark"), bytes);
  sim::WriteFile(disk, "old", bytes);
  auto old = replication::AgreedMark::Open(disk, helper, "old");
  ASSERT_TRUE(old.ok()) << old.status().message();
  EXPECT_EQ((*old)->Of(0x0102), 0x0304u);
  EXPECT_EQ((*old)->Of(1), 0u);
  for (size_t i = 0; i < bytes.size(); i++) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    sim::WriteFile(disk, "damaged", damaged);
    EXPECT_FALSE(replication::AgreedMark::Open(disk, helper, "damaged").ok()) << i;
  }
}

TEST(ReplicationGoldenTest, ASnapshotThatHasArrived) {
  const std::string bytes = Literal(
      "runnel-arrived 1\n"
      "\x02\x01\0\0\0\0\0\0"
      "\x05"
      "\xac\x02"
      "\x01"
      "\x15"
      "snapshots/0000000300a"
      "\x76\x5d\x6c\xbf\x09\x97\xba\x2d");
  const std::string path = "snapshots/0000000300a";
  sim::ModelDisk disk(1);
  ASSERT_TRUE(NoteArrived(disk, {{0x0102, 5}, 300, {path}, {}}).ok());
  EXPECT_EQ(sim::ReadFile(disk, "arrived"), bytes);
  // One that was left is done.
  sim::ModelDisk old(1);
  sim::WriteFile(old, path + ".sync", "content");
  sim::WriteFile(old, "arrived", bytes);
  ASSERT_TRUE(old.CreateDirectory("journal").ok());
  ASSERT_TRUE(old.CreateDirectory("streams").ok());
  const Status taken = TakeArrived(old, {"journal", "snapshots", "streams"});
  ASSERT_TRUE(taken.ok()) << taken.message();
  EXPECT_EQ(sim::ReadFile(old, path), "content");
  EXPECT_FALSE(sim::Exists(old, "arrived"));
}

}  // namespace
}  // namespace runnel
