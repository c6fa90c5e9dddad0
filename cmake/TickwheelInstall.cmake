# SPDX-License-Identifier: MIT
# What `cmake --install` lays down: libraries, headers, the CMake package and a
# pkg-config file for each library. Everything finds its prefix from where it
# lies, so that an installed tree can be moved.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tickwheel)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# tw_install(name HEADER file EXPORT file [PC variables...])
function(tw_install name)
    cmake_parse_arguments(arg "" "HEADER;EXPORT;PC" "" ${ARGN})
    set(targets)
    foreach(kind IN LISTS TICKWHEEL_KINDS)
        list(APPEND targets ${name}_${kind})
    endforeach()
    install(TARGETS ${targets} EXPORT ${arg_EXPORT}
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
            RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(EXPORT ${arg_EXPORT} NAMESPACE tickwheel:: DESTINATION ${package_dir})
    install(FILES ${PROJECT_SOURCE_DIR}/include/${arg_HEADER}
            DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${arg_PC}.in ${PROJECT_BINARY_DIR}/${arg_PC} @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${arg_PC} DESTINATION ${pkgconfig_dir})
endfunction()

# The directories as a pkg-config file names them: below the prefix, which is
# found from the place of the file itself; absolute ones stay what they are. /usr is
# never moved, and pkg-config leaves its directories out if it sees that it is /usr.
set(pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" AND NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    file(RELATIVE_PATH up "/${pkgconfig_dir}" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
endif()
foreach(dir LIBDIR INCLUDEDIR)
    set(pc_${dir} "${CMAKE_INSTALL_${dir}}")
    if(NOT IS_ABSOLUTE "${pc_${dir}}")
        set(pc_${dir} "\${prefix}/${pc_${dir}}")
    endif()
endforeach()

tw_install(tickwheel HEADER tickwheel.h EXPORT tickwheel-targets PC tickwheel.pc)
# Headers alone: for C++, and the adapters for event loops.
foreach(header tickwheel.hpp tickwheel_uv.h tickwheel_event.h tickwheel_ev.h tickwheel_uring.h
        tickwheel_glib.h tickwheel_asio.hpp)
    install(FILES ${PROJECT_SOURCE_DIR}/include/${header}
            DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endforeach()
if(TARGET tickwheel_jemalloc_static)
    tw_install(tickwheel_jemalloc HEADER tickwheel_jemalloc.h
               EXPORT tickwheel-jemalloc-targets PC tickwheel-jemalloc.pc)
    install(FILES ${PROJECT_SOURCE_DIR}/cmake/FindJemalloc.cmake DESTINATION ${package_dir})
endif()

configure_package_config_file(cmake/tickwheel-config.cmake.in
    ${PROJECT_BINARY_DIR}/tickwheel-config.cmake
    INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tickwheel-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tickwheel-config.cmake
              ${PROJECT_BINARY_DIR}/tickwheel-config-version.cmake
        DESTINATION ${package_dir})

# Manual pages, of the headers' own comments. They are made by the build if there is a
# python3, and left out if not.
find_program(TICKWHEEL_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(TICKWHEEL_PYTHON3 python3)
mark_as_advanced(TICKWHEEL_PYTHON3)
if(TICKWHEEL_PYTHON3)
    file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.h
         ${PROJECT_SOURCE_DIR}/include/*.hpp)
    if(NOT TARGET tickwheel_jemalloc_static)
        list(REMOVE_ITEM headers ${PROJECT_SOURCE_DIR}/include/tickwheel_jemalloc.h)
    endif()
    set(man_pages ${PROJECT_BINARY_DIR}/man)
    add_custom_command(
        OUTPUT ${man_pages}/man7/tickwheel.7
        COMMAND ${CMAKE_COMMAND} -E remove_directory ${man_pages}
        COMMAND ${TICKWHEEL_PYTHON3} -B ${PROJECT_SOURCE_DIR}/tools/man ${man_pages} ${headers}
        DEPENDS ${PROJECT_SOURCE_DIR}/tools/man ${headers}
        COMMENT "Making the manual pages" VERBATIM)
    add_custom_target(tickwheel_man ALL DEPENDS ${man_pages}/man7/tickwheel.7)
    install(DIRECTORY ${man_pages}/ DESTINATION ${CMAKE_INSTALL_MANDIR})
else()
    message(STATUS "The manual pages are left out: python3 is not installed.")
endif()
