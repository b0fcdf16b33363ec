# conclave_library(NAME SOURCES a.cc … [DEPS target …]): a static library with the repository's root as its
# include path. The layering of docs/design.md is the DEPS of these calls; scripts/tidy checks them.
function(conclave_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# conclave_test(NAME FOLDER folder DEPS target …): one GoogleTest program of the folder's *_test.cc, known to
# ctest test by test.
function(conclave_test name)
  cmake_parse_arguments(ARG "" "FOLDER" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${ARG_FOLDER}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} test_support GTest::gtest_main)
  set(timeout 300)   # seconds: longer is a hang
  if(CONCLAVE_SANITIZE)
    set(timeout 1500)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${timeout})
endfunction()

# Beast, CLI11 and generated code cost minutes under every UBSan check (measured): fewer checks there.
function(conclave_heavy)
  if(CONCLAVE_SANITIZE STREQUAL "address")
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS
      "-fno-sanitize=null,vptr,alignment,object-size")
  endif()
endfunction()

# conclave_embed(TARGET file.sql part/name.h namespace kName): the file's text as a string constant in a generated
# header, remade when the file changes.
function(conclave_embed target file header namespace constant)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded/${header} @ONLY CONTENT
"#pragma once
namespace ${namespace} {
inline constexpr char ${constant}[] = R\"embedded(${text})embedded\";
}
")
  target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/embedded)
endfunction()
