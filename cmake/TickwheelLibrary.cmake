# SPDX-License-Identifier: MIT
# How every copy of the library is compiled, and how a library becomes two: a
# static and a shared one.

# While the major version is 0, each minor version may break the ABI, and so each
# has a SONAME of its own: libtickwheel.so.0.2.
set(TICKWHEEL_SOVERSION ${PROJECT_VERSION_MAJOR})
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(TICKWHEEL_SOVERSION 0.${PROJECT_VERSION_MINOR})
endif()

# Exported symbols carry that version where the linker can do it: GNU's and LLVM's.
set(TICKWHEEL_VERSION_SCRIPT ${PROJECT_BINARY_DIR}/symbols.map)
configure_file(${CMAKE_CURRENT_LIST_DIR}/symbols.map.in ${TICKWHEEL_VERSION_SCRIPT} @ONLY)
set(CMAKE_REQUIRED_LINK_OPTIONS -Wl,--version-script=${TICKWHEEL_VERSION_SCRIPT})
include(CheckCSourceCompiles)
check_c_source_compiles("int main(void) { return 0; }" TICKWHEEL_HAVE_VERSION_SCRIPT)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
if(NOT TICKWHEEL_HAVE_VERSION_SCRIPT)
    set(TICKWHEEL_VERSION_SCRIPT)
endif()

# Settings for the library's own code; the tests' variants use them too.
function(tw_compile_settings target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF
        C_VISIBILITY_PRESET hidden          # only what the header marks TW_API is seen outside
        POSITION_INDEPENDENT_CODE ON)       # the static library may end up inside a shared one
    target_include_directories(${target} PRIVATE ${TICKWHEEL_FOLDERS}
                                         PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    # A callback may throw a C++ exception, or its thread may end in it: then the run
    # that it leaves is ended on the way (TW_AT_END in lib/wheel/port.h).
    target_compile_options(${target} PRIVATE -fexceptions)
    # Our functions call each other, not whatever an LD_PRELOAD puts in their
    # place: so position independence costs no inlining. clang does so anyway.
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        target_compile_options(${target} PRIVATE -fno-semantic-interposition)
    endif()
    # A project that contains this one may name neither a build type nor a level.
    if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES AND NOT CMAKE_C_FLAGS MATCHES "-O")
        separate_arguments(release_flags UNIX_COMMAND "${CMAKE_C_FLAGS_RELEASE}")
        target_compile_options(${target} PRIVATE ${release_flags})
    endif()
    if(TICKWHEEL_HAVE_SDT)
        target_compile_definitions(${target} PRIVATE TW_HAVE_SDT)
    endif()
    tw_warnings(${target})
    if(TICKWHEEL_DEV)
        target_compile_options(${target} PRIVATE -Wpedantic -Wconversion -Wstrict-prototypes
                                                 -Wmissing-prototypes)
    endif()
endfunction()

# Users get the warnings that the code is clean of, and never -Werror.
function(tw_warnings target)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra>)
    if(TICKWHEEL_DEV)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:-Wshadow;-Werror>)
    endif()
endfunction()

# tw_add_library(name EXPORT_NAME name SOURCES file... [NEEDS library] [LINK target...])
# Compiles the sources once and makes name_static and name_shared of them, of
# which those in TICKWHEEL_KINDS are built by default.
# NEEDS is another library made by this function: static needs static, shared
# needs shared. LINK are further libraries, which users of this one need not see.
# Inside the tree tickwheel::EXPORT_NAME is the static one, unless only the
# shared one is wanted; once installed, it is the shared one, if there is one.
function(tw_add_library name)
    cmake_parse_arguments(arg "" "EXPORT_NAME;NEEDS" "SOURCES;LINK" ${ARGN})
    add_library(${name}_objects OBJECT ${arg_SOURCES})
    tw_compile_settings(${name}_objects)
    target_compile_definitions(${name}_objects PRIVATE ${TICKWHEEL_CHECKS})
    target_link_libraries(${name}_objects PRIVATE ${arg_LINK})

    foreach(kind static shared)
        string(TOUPPER ${kind} KIND)
        set(target ${name}_${kind})
        add_library(${target} ${KIND} $<TARGET_OBJECTS:${name}_objects>)
        set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C)
        target_include_directories(${target} PUBLIC
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
        target_link_libraries(${target} PRIVATE ${arg_LINK})
        if(arg_NEEDS)
            target_link_libraries(${target} PUBLIC ${arg_NEEDS}_${kind})
        endif()
        if(NOT kind IN_LIST TICKWHEEL_KINDS)
            set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
        endif()
    endforeach()

    set_target_properties(${name}_shared PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${TICKWHEEL_SOVERSION}
        EXPORT_NAME ${arg_EXPORT_NAME})
    if(TICKWHEEL_VERSION_SCRIPT)
        target_link_options(${name}_shared PRIVATE
            -Wl,--version-script=${TICKWHEEL_VERSION_SCRIPT})
        set_target_properties(${name}_shared PROPERTIES LINK_DEPENDS ${TICKWHEEL_VERSION_SCRIPT})
    endif()
    set_target_properties(${name}_static PROPERTIES EXPORT_NAME ${arg_EXPORT_NAME}_static)

    list(GET TICKWHEEL_KINDS 0 first_kind)
    add_library(tickwheel::${arg_EXPORT_NAME} ALIAS ${name}_${first_kind})
    add_library(tickwheel::${arg_EXPORT_NAME}_static ALIAS ${name}_static)
endfunction()
