# Finds the system libraries of deps/packages.* and gives each one a target name of its own, so that
# no other CMake file has to know how a distribution ships it.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(absl REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(libuv REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)

add_library(dep_uv ALIAS PkgConfig::libuv)
add_library(dep_jemalloc ALIAS PkgConfig::jemalloc)
add_library(dep_xxhash ALIAS PkgConfig::xxhash)
add_library(dep_hiredis ALIAS PkgConfig::hiredis)

if(RUNNEL_TESTS)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()
