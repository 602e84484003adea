#include "tests/support/temp_dir.h"

#include <stdio.h>
#include <stdlib.h>

namespace runnel::test {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "runnel-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    perror(name.c_str());
    abort();
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace runnel::test
