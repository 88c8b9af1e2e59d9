# Flags, libraries and the two ways to declare a target: quorate_room() and quorate_tests().
#
# The include direction of DESIGN is also the link direction: a room links only the rooms below it.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(spdlog REQUIRED)
find_package(Boost 1.81 REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

add_library(quorate_flags INTERFACE)
target_include_directories(quorate_flags INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_compile_options(quorate_flags INTERFACE -Wall -Wextra -Wpedantic -Werror
  -fno-omit-frame-pointer)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # The baseline every x86-64 server of the last decade has; CRC32C needs SSE 4.2.
  target_compile_options(quorate_flags INTERFACE -march=x86-64-v2)
endif()
if(QUORATE_SANITIZE)
  target_compile_options(quorate_flags INTERFACE -fsanitize=${QUORATE_SANITIZE}
    -fno-sanitize-recover=all)
  target_link_options(quorate_flags INTERFACE -fsanitize=${QUORATE_SANITIZE})
endif()

# quorate_room(<name> [LINKS <targets>…]): the static library of src/<name>/.
function(quorate_room name)
  cmake_parse_arguments(ROOM "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(sources)
    add_library(quorate_${name} STATIC ${sources})
    target_include_directories(quorate_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(quorate_${name} PUBLIC quorate_flags ${ROOM_LINKS})
  else()
    add_library(quorate_${name} INTERFACE)
    target_link_libraries(quorate_${name} INTERFACE quorate_flags ${ROOM_LINKS})
  endif()
endfunction()

# quorate_tests(<room> LINKS <targets>…): the GoogleTest executable <room>_tests of tests/<room>/.
function(quorate_tests room)
  cmake_parse_arguments(TESTS "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${room}/*.cc)
  if(sources)
    add_executable(${room}_tests ${sources})
    target_include_directories(${room}_tests PRIVATE ${CMAKE_SOURCE_DIR}/src
      ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(${room}_tests PRIVATE ${TESTS_LINKS} GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${room}_tests TEST_PREFIX ${room}. DISCOVERY_TIMEOUT 60)
  endif()
endfunction()
