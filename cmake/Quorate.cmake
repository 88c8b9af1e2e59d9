# Flags, libraries and quorate_room(), the one way to declare a room.
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

find_program(QUORATE_CCACHE ccache)
if(QUORATE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${QUORATE_CCACHE})
endif()

add_library(quorate_flags INTERFACE)
target_include_directories(quorate_flags INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(quorate_flags INTERFACE Boost::headers)
target_compile_options(quorate_flags INTERFACE -Wall -Wextra -Wpedantic -Werror
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: "..." + std::string is taken for an overlapping copy.
  target_compile_options(quorate_flags INTERFACE -Wno-restrict
    -Wno-unknown-warning-option)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # The baseline every x86-64 server of the last decade has; CRC32C needs SSE 4.2.
  target_compile_options(quorate_flags INTERFACE -march=x86-64-v2)
endif()
if(QUORATE_LTO)
  # Rooms are compiled for both, so that of all that links them only what users run waits for LTO:
  # targets with the property QUORATE_WHOLE.
  target_link_options(quorate_flags INTERFACE
    $<IF:$<BOOL:$<TARGET_PROPERTY:QUORATE_WHOLE>>,-flto=auto,-fno-lto>)
endif()
if(QUORATE_SANITIZE)
  target_compile_options(quorate_flags INTERFACE -fsanitize=${QUORATE_SANITIZE}
    -fno-sanitize-recover=all)
  target_link_options(quorate_flags INTERFACE -fsanitize=${QUORATE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND QUORATE_SANITIZE MATCHES "thread|address")
    # GCC 12 sees uninitialised and out-of-bounds accesses in code that its own instrumentation made.
    target_compile_options(quorate_flags INTERFACE -Wno-maybe-uninitialized -Wno-tsan
      -Wno-stringop-overflow -Wno-array-bounds)
  endif()
endif()
if(QUORATE_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "QUORATE_FUZZERS needs clang: use the preset fuzz")
  endif()
  # libstdc++ 12's stable_sort uses what C++17 deprecated.
  target_compile_options(quorate_flags INTERFACE -Wno-deprecated-declarations)
  # Coverage in every room; only the fuzzers themselves link libFuzzer's main.
  target_compile_options(quorate_flags INTERFACE -fsanitize=fuzzer-no-link)
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
    set_target_properties(quorate_${name} PROPERTIES UNITY_BUILD ${QUORATE_UNITY})
    if(QUORATE_LTO)
      target_compile_options(quorate_${name} PRIVATE -flto=auto -ffat-lto-objects)
    endif()
  else()
    add_library(quorate_${name} INTERFACE)
    target_link_libraries(quorate_${name} INTERFACE quorate_flags ${ROOM_LINKS})
  endif()
endfunction()
