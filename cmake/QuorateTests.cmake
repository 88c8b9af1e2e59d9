# The ways to declare a test: quorate_tests() for GoogleTest, quorate_fuzzer() for a decoder,
# quorate_bench() for a micro benchmark and quorate_script_test() for anything a command line runs.

find_package(GTest REQUIRED)
include(GoogleTest)

# Debian's interpreter, not whichever is first in PATH: its modules (python3-redis) are what setup installs.
find_program(QUORATE_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(QUORATE_PYTHON python3 REQUIRED)

# quorate_tests(<directory> LINKS <targets>…): the GoogleTest executable <directory>_tests of
# tests/<directory>/ without its main.cc. Each test sees the server's path as QUORATE_SERVER.
function(quorate_tests name)
  cmake_parse_arguments(TESTS "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_tests ${sources})
  target_include_directories(${name}_tests PRIVATE ${CMAKE_SOURCE_DIR}/src
    ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name}_tests PRIVATE ${TESTS_LINKS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name}_tests PROPERTIES UNITY_BUILD ${QUORATE_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  if(TARGET quorate-server)
    add_dependencies(${name}_tests quorate-server)
  endif()
  gtest_discover_tests(${name}_tests TEST_PREFIX ${QUORATE_TEST_PREFIX}${name}.
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${name} ENVIRONMENT QUORATE_SERVER=${CMAKE_BINARY_DIR}/quorate-server)
endfunction()

# quorate_fuzzer(<source> LINKS <targets>…): tests/fuzz/<name>_fuzzer.cc. With QUORATE_FUZZERS it is a
# libFuzzer program. In every build a test feeds it the seeds of tests/fuzz/corpus/<name>/.
function(quorate_fuzzer source)
  cmake_parse_arguments(FUZZER "" "" "LINKS" ${ARGN})
  get_filename_component(fuzzer ${source} NAME_WE)
  string(REGEX REPLACE "_fuzzer$" "" name ${fuzzer})
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  add_executable(${fuzzer} ${source})
  target_include_directories(${fuzzer} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${fuzzer} PRIVATE ${FUZZER_LINKS})
  if(QUORATE_FUZZERS)
    target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
    set(arguments -runs=0 ${corpus})
  else()
    target_sources(${fuzzer} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus_driver.cc)
    set(arguments ${corpus})
  endif()
  set_target_properties(${fuzzer} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  add_dependencies(fuzzers ${fuzzer})
  add_test(NAME ${QUORATE_TEST_PREFIX}fuzz.${name}.corpus COMMAND ${fuzzer} ${arguments})
  set_tests_properties(${QUORATE_TEST_PREFIX}fuzz.${name}.corpus PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()

# quorate_bench(<source> LINKS <targets>…): a Google Benchmark program, built but never a test.
function(quorate_bench source)
  cmake_parse_arguments(BENCH "" "" "LINKS" ${ARGN})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE ${BENCH_LINKS} PkgConfig::JEMALLOC
    benchmark::benchmark_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()

# quorate_script_test(<name> LABEL <label> [TIMEOUT <seconds>] [SERIAL] [PROCESSORS <n>]
# COMMAND <command>…):
# a test that a command line runs, in the repository's root, with QUORATE_SERVER in its environment.
# SERIAL: it measures time or takes fixed ports, so nothing else runs beside it.
function(quorate_script_test name)
  cmake_parse_arguments(SCRIPT "SERIAL" "LABEL;TIMEOUT;PROCESSORS" "COMMAND" ${ARGN})
  if(NOT SCRIPT_TIMEOUT)
    set(SCRIPT_TIMEOUT 300)
  endif()
  add_test(NAME ${QUORATE_TEST_PREFIX}${name} COMMAND ${SCRIPT_COMMAND}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${QUORATE_TEST_PREFIX}${name} PROPERTIES
    LABELS ${SCRIPT_LABEL} TIMEOUT ${SCRIPT_TIMEOUT}
    ENVIRONMENT "QUORATE_SERVER=${CMAKE_BINARY_DIR}/quorate-server;PYTHONDONTWRITEBYTECODE=1")
  if(SCRIPT_PROCESSORS)
    set_tests_properties(${QUORATE_TEST_PREFIX}${name} PROPERTIES PROCESSORS ${SCRIPT_PROCESSORS})
  endif()
  if(SCRIPT_SERIAL)
    set_tests_properties(${QUORATE_TEST_PREFIX}${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
