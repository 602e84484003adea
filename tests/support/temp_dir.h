#pragma once

#include <filesystem>
#include <string>

namespace runnel::test {

// A fresh directory under the system's temporary directory, removed with all it holds when the
// object goes.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace runnel::test
