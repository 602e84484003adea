// The model disk itself: that it loses what it may lose, keeps what it must keep, and is the same
// disk for the same seed.

#include "tests/sim/model_disk.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/sim/files.h"

namespace runnel::sim {
namespace {

std::string ReadAll(Disk& disk, const std::string& path) {
  return Exists(disk, path) ? ReadFile(disk, path) : "no file";
}

std::unique_ptr<File> Create(Disk& disk, const std::string& path) {
  auto file = disk.Open(path, OpenMode::kCreate);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::move(*file);
}

TEST(ModelDiskTest, WhatIsSyncedStays) {
  for (uint64_t seed = 0; seed < 100; seed++) {
    ModelDisk disk(seed);
    WriteFile(disk, "a", "kept");
    disk.Restart(Crash::kPower);
    EXPECT_EQ(ReadAll(disk, "a"), "kept");
  }
}

TEST(ModelDiskTest, AProcessThatDiesLosesNothing) {
  ModelDisk disk(1);
  const auto file = Create(disk, "a");
  EXPECT_TRUE(file->WriteAt(0, "written").ok());
  disk.Restart(Crash::kProcess);
  EXPECT_EQ(ReadAll(disk, "a"), "written");
  EXPECT_FALSE(file->WriteAt(0, "a file of the dead").ok());
  disk.Restart(Crash::kPowerWorst);
  EXPECT_EQ(ReadAll(disk, "a"), "no file") << "it was never synced";
}

TEST(ModelDiskTest, AnUnsyncedWriteMayStayGoOrTear) {
  const std::string before(3000, 'a'), after(3000, 'b');
  bool stayed = false, went = false, torn = false, noise = false;
  for (uint64_t seed = 0; seed < 500; seed++) {
    ModelDisk disk(seed);
    WriteFile(disk, "a", before);
    auto file = disk.Open("a", OpenMode::kReadWrite);
    EXPECT_TRUE((*file)->WriteAt(100, std::string_view(after).substr(200)).ok());
    disk.Restart(Crash::kPower);
    const std::string left = ReadAll(disk, "a");
    ASSERT_EQ(left.size(), 3000u);
    EXPECT_EQ(left.substr(0, 100), before.substr(0, 100));
    EXPECT_EQ(left.substr(2900), before.substr(2900));
    const std::string touched = left.substr(100, 2800);
    stayed |= touched == after.substr(200);
    went |= touched == before.substr(200);
    torn |= touched.find("ba") != std::string::npos && touched.find("ab") != std::string::npos;
    noise |= touched.find_first_not_of("ab") != std::string::npos;
  }
  EXPECT_TRUE(stayed && went && torn && noise);
}

TEST(ModelDiskTest, TheWorstPowerCutKeepsOnlyWhatIsSynced) {
  ModelDisk disk(1);
  WriteFile(disk, "a", "old");
  auto file = disk.Open("a", OpenMode::kReadWrite);
  EXPECT_TRUE((*file)->WriteAt(0, "new and longer").ok());
  EXPECT_TRUE(disk.Rename("a", "b").ok());
  Create(disk, "c");
  EXPECT_EQ(ReadAll(disk, "b"), "new and longer");
  disk.Restart(Crash::kPowerWorst);
  EXPECT_EQ(*disk.List("."), std::vector<std::string>{"a"});
  EXPECT_EQ(ReadAll(disk, "a"), "old");
}

TEST(ModelDiskTest, WritesOfDifferentFilesAreLostIndependently) {
  bool only_first = false, only_second = false;
  for (uint64_t seed = 0; seed < 200; seed++) {
    ModelDisk disk(seed);
    WriteFile(disk, "a", "0");
    WriteFile(disk, "b", "0");
    for (const char* name : {"a", "b"}) {
      EXPECT_TRUE((*disk.Open(name, OpenMode::kReadWrite))->WriteAt(0, "1").ok());
    }
    disk.Restart(Crash::kPower);
    only_first |= ReadAll(disk, "a") == "1" && ReadAll(disk, "b") == "0";
    only_second |= ReadAll(disk, "a") == "0" && ReadAll(disk, "b") == "1";
  }
  EXPECT_TRUE(only_first && only_second);
}

TEST(ModelDiskTest, NamesAreLostUntilTheDirectoryIsSynced) {
  bool both[2] = {}, renamed = false, removed_again_there = false;
  for (uint64_t seed = 0; seed < 200; seed++) {
    ModelDisk disk(seed);
    WriteFile(disk, "old", "content");
    WriteFile(disk, "gone", "gone");
    EXPECT_TRUE(disk.Rename("old", "new").ok());
    EXPECT_TRUE(disk.Remove("gone").ok());
    disk.Restart(Crash::kPower);
    const bool has_old = ReadAll(disk, "old") == "content";
    const bool has_new = ReadAll(disk, "new") == "content";
    EXPECT_NE(has_old, has_new) << "a rename is one step";
    renamed |= has_new;
    removed_again_there |= ReadAll(disk, "gone") == "gone";
    both[has_new] = true;
  }
  EXPECT_TRUE(both[0] && both[1] && renamed && removed_again_there);
}

TEST(ModelDiskTest, ADirectoryThatIsLostTakesItsFilesAlong) {
  ModelDisk disk(1);
  EXPECT_TRUE(disk.CreateDirectory("d").ok());
  Create(disk, "d/a");
  EXPECT_TRUE(disk.SyncDirectory("d").ok());
  disk.Restart(Crash::kPowerWorst);
  EXPECT_TRUE(disk.List(".")->empty());
  EXPECT_EQ(disk.List("d").status().error_number(), ENOENT);
  EXPECT_EQ(disk.Open("d/a", OpenMode::kRead).status().error_number(), ENOENT);
}

TEST(ModelDiskTest, AllocatedBytesAreZerosAndHaveRoom) {
  ModelDisk disk(1);
  disk.set_capacity(100);
  const auto file = Create(disk, "a");
  EXPECT_TRUE(file->Allocate(80).ok());
  EXPECT_EQ(ReadAll(disk, "a"), std::string(80, '\0'));
  EXPECT_EQ(Create(disk, "b")->WriteAt(0, std::string(21, 'b')).error_number(), ENOSPC);
  EXPECT_TRUE(file->WriteAt(0, std::string(80, 'a')).ok());
  EXPECT_EQ(file->Allocate(101).error_number(), ENOSPC);
  EXPECT_TRUE(disk.Remove("b").ok());
  EXPECT_TRUE(file->Allocate(100).ok());
  EXPECT_EQ(disk.used(), 100u);
}

TEST(ModelDiskTest, TheNthCallFails) {
  ModelDisk disk(1);
  const auto file = Create(disk, "a");
  disk.FailCalls(disk.calls() + 2, 1, ENOSPC);
  EXPECT_TRUE(file->WriteAt(0, "1").ok());
  EXPECT_EQ(file->WriteAt(1, "2").error_number(), ENOSPC);
  EXPECT_TRUE(file->WriteAt(1, "3").ok());
  EXPECT_EQ(ReadAll(disk, "a"), "13");
}

TEST(ModelDiskTest, AFailedSyncIsNotMendedByTheNext) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 50; seed++) {
    ModelDisk disk(seed);
    WriteFile(disk, "a", std::string(2000, '0'));
    auto file = disk.Open("a", OpenMode::kReadWrite);
    EXPECT_TRUE((*file)->WriteAt(0, std::string(2000, '1')).ok());
    disk.FailCalls(disk.calls() + 1, 1, EIO);
    EXPECT_EQ((*file)->Sync().error_number(), EIO);
    EXPECT_TRUE((*file)->Sync().ok());
    EXPECT_EQ(ReadAll(disk, "a"), std::string(2000, '1')) << "the cache does not show it";
    disk.Restart(Crash::kPower);
    lost |= ReadAll(disk, "a") != std::string(2000, '1');
  }
  EXPECT_TRUE(lost);
}

TEST(ModelDiskTest, TheProcessEndsInsideACall) {
  ModelDisk disk(1);
  const auto file = Create(disk, "a");
  disk.StopAt(disk.calls() + 1);
  EXPECT_EQ(file->WriteAt(0, "half").error_number(), EIO);
  EXPECT_TRUE(disk.stopped());
  EXPECT_EQ(disk.Open("a", OpenMode::kRead).status().error_number(), EIO);
  disk.Restart(Crash::kProcess);
  EXPECT_TRUE(std::string_view("half").starts_with(ReadAll(disk, "a")));
}

TEST(ModelDiskTest, LocksEndWithTheProcess) {
  ModelDisk disk(1);
  auto lock = disk.Lock(".");
  EXPECT_EQ(disk.Lock(".").status().error_number(), EWOULDBLOCK);
  disk.Restart(Crash::kProcess);
  auto next = disk.Lock(".");
  EXPECT_TRUE(next.ok());
  lock->reset();
  EXPECT_EQ(disk.Lock(".").status().error_number(), EWOULDBLOCK) << "the old one was dead";
}

TEST(ModelDiskTest, TheSameSeedIsTheSameDisk) {
  std::string left[2];
  for (std::string& bytes : left) {
    ModelDisk disk(7);
    WriteFile(disk, "a", std::string(5000, 'a'));
    EXPECT_TRUE((*disk.Open("a", OpenMode::kReadWrite))->WriteAt(0, std::string(5000, 'b')).ok());
    disk.Restart(Crash::kPower);
    bytes = ReadAll(disk, "a");
  }
  EXPECT_EQ(left[0], left[1]);
}

}  // namespace
}  // namespace runnel::sim
