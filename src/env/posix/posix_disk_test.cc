// The disk of the machine, in a directory under the system's temporary one.

#include "env/posix/posix_disk.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

namespace runnel {
namespace {

class PosixDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "runnel-disk-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::unique_ptr<File> Create(const std::string& name) {
    auto file = disk_.Open(Path(name), OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return std::move(*file);
  }
  static std::string Read(const File& file, uint64_t offset, size_t bytes) {
    std::string out(bytes, '?');
    const auto read = file.ReadAt(offset, out.data(), bytes);
    EXPECT_TRUE(read.ok());
    out.resize(*read);
    return out;
  }

  Disk& disk_ = SystemDisk();
  std::string directory_;
};

TEST_F(PosixDiskTest, WritesAndReadsAtOffsets) {
  const auto file = Create("a");
  EXPECT_TRUE(file->WriteAt(3, "abc").ok());
  EXPECT_EQ(*file->Size(), 6u);
  EXPECT_EQ(Read(*file, 0, 6), std::string("\0\0\0abc", 6));
  EXPECT_EQ(Read(*file, 4, 100), "bc");
  EXPECT_EQ(Read(*file, 100, 1), "");
  EXPECT_TRUE(file->Sync().ok());
}

// What the file system cannot tell it may call data; nothing that is data may be passed over.
TEST_F(PosixDiskTest, WhatIsReservedIsPassedOver) {
  constexpr uint64_t kBytes = uint64_t{1} << 20;
  const auto file = Create("f");
  EXPECT_EQ(*file->NextData(0), 0u);
  ASSERT_TRUE(file->Allocate(kBytes).ok());
  ASSERT_TRUE(file->WriteAt(10, "head").ok());
  ASSERT_TRUE(file->WriteAt(700'000, "far").ok());
  EXPECT_LE(*file->NextData(0), 10u);
  EXPECT_EQ(*file->NextData(12), 12u);
  EXPECT_LE(*file->NextData(14), 700'000u);
  EXPECT_EQ(*file->NextData(700'001), 700'001u);
  EXPECT_LE(*file->NextData(800'000), kBytes);
  EXPECT_GE(*file->NextData(800'000), 800'000u);
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_LE(*file->NextData(14), 700'000u);
  EXPECT_EQ(*file->NextData(kBytes), kBytes);
}

TEST_F(PosixDiskTest, WarmingChangesNothing) {
  auto file = std::move(*disk_.Open(Path("f"), OpenMode::kCreate));
  EXPECT_TRUE(file->Allocate(100'000).ok());
  EXPECT_TRUE(file->WriteAt(5000, "here").ok());
  file->Warm(3000, 50'000);
  file->Warm(4000, 96'000);
  file->Warm(90'000, 50'000);  // beyond the end
  EXPECT_EQ(*file->Size(), 100'000u);
  std::string all(100'000, 'x');
  EXPECT_EQ(*file->ReadAt(0, all.data(), all.size()), all.size());
  std::string expected(100'000, '\0');
  expected.replace(5000, 4, "here");
  EXPECT_EQ(all, expected);
}

TEST_F(PosixDiskTest, ForgettingChangesNothing) {
  const auto file = Create("f");
  const std::string bytes(100'000, 'x');
  EXPECT_TRUE(file->WriteAt(0, bytes).ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_TRUE(file->WriteAt(50'000, "not synced").ok());
  file->Forget(3000, 90'000);
  file->Forget(90'000, 50'000);  // beyond the end
  std::string expected = bytes;
  expected.replace(50'000, 10, "not synced");
  EXPECT_EQ(Read(*file, 0, 200'000), expected);
}

TEST_F(PosixDiskTest, AllocatedBytesAreZerosAndWhatWasThereStays) {
  const auto file = Create("a");
  EXPECT_TRUE(file->WriteAt(0, "abc").ok());
  EXPECT_TRUE(file->Allocate(10'000).ok());
  EXPECT_EQ(*file->Size(), 10'000u);
  EXPECT_EQ(Read(*file, 0, 5), std::string("abc\0\0", 5));
  EXPECT_EQ(Read(*file, 9'000, 10'000), std::string(1'000, '\0'));
  EXPECT_TRUE(file->Allocate(10).ok());
  EXPECT_EQ(*file->Size(), 10'000u);
  EXPECT_TRUE(file->Truncate(2).ok());
  EXPECT_EQ(Read(*file, 0, 5), "ab");
}

TEST_F(PosixDiskTest, AFileOutlivesItsName) {
  const auto file = Create("a");
  EXPECT_TRUE(disk_.Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(*disk_.List(directory_), std::vector<std::string>{"b"});
  EXPECT_TRUE(disk_.Remove(Path("b")).ok());
  EXPECT_TRUE(disk_.SyncDirectory(directory_).ok());
  EXPECT_TRUE(disk_.List(directory_)->empty());
  EXPECT_TRUE(file->WriteAt(0, "still here").ok());
  EXPECT_EQ(Read(*file, 0, 5), "still");
}

TEST_F(PosixDiskTest, NewFilesCannotBeReadByStrangers) {
  const mode_t before = umask(0);
  Create("a");
  umask(before);
  struct stat info;
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(PosixDiskTest, FailuresKeepTheErrorAndNameTheFile) {
  const auto missing = disk_.Open(Path("none"), OpenMode::kRead);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().error_number(), ENOENT);
  EXPECT_NE(missing.message().find(Path("none")), std::string::npos);
  Create("a");
  const auto reader = disk_.Open(Path("a"), OpenMode::kRead);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->WriteAt(0, "x").error_number(), EBADF);
  EXPECT_EQ(disk_.Remove(Path("none")).error_number(), ENOENT);
  EXPECT_EQ(disk_.List(Path("none")).status().error_number(), ENOENT);
  EXPECT_EQ(disk_.SyncDirectory(Path("none")).error_number(), ENOENT);
}

TEST_F(PosixDiskTest, AFullDiskIsToldFromABrokenOne) {
  const auto full = disk_.Open("/dev/full", OpenMode::kReadWrite);
  if (!full.ok()) GTEST_SKIP() << full.status().message();
  const Status written = (*full)->WriteAt(0, "x");
  EXPECT_EQ(written.error_number(), ENOSPC);
  EXPECT_TRUE(IsDiskFull(written));
  EXPECT_FALSE(IsDiskFull(Status::SystemError("sync", EIO)));
  EXPECT_FALSE(IsDiskFull(Status()));
}

TEST_F(PosixDiskTest, ADirectoryIsLockedOnce) {
  EXPECT_TRUE(disk_.CreateDirectory(Path("d")).ok());
  EXPECT_TRUE(disk_.CreateDirectory(Path("d")).ok());
  auto first = disk_.Lock(Path("d"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(disk_.Lock(Path("d")).status().error_number(), EWOULDBLOCK);
  first->reset();
  EXPECT_TRUE(disk_.Lock(Path("d")).ok());
}

TEST_F(PosixDiskTest, TheRoomAndTheRunOfTheMachineAreKnown) {
  const auto free_bytes = disk_.FreeBytes(Path("."));
  ASSERT_TRUE(free_bytes.ok()) << free_bytes.message();
  EXPECT_GT(*free_bytes, 0u);
  EXPECT_EQ(disk_.FreeBytes(Path("nowhere")).status().error_number(), ENOENT);
  EXPECT_EQ(disk_.BootId().size(), 36u);
  EXPECT_EQ(disk_.BootId(), disk_.BootId());
}

}  // namespace
}  // namespace runnel
