# SPDX-License-Identifier: MIT
# Finds jemalloc, which comes without a CMake package of its own, and makes the
# target Jemalloc::jemalloc. Installed with tickwheel, whose package uses it too.
find_path(Jemalloc_INCLUDE_DIR jemalloc/jemalloc.h)
find_library(Jemalloc_LIBRARY jemalloc)
mark_as_advanced(Jemalloc_INCLUDE_DIR Jemalloc_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Jemalloc DEFAULT_MSG Jemalloc_LIBRARY Jemalloc_INCLUDE_DIR)

if(Jemalloc_FOUND AND NOT TARGET Jemalloc::jemalloc)
    add_library(Jemalloc::jemalloc UNKNOWN IMPORTED)
    set_target_properties(Jemalloc::jemalloc PROPERTIES
        IMPORTED_LOCATION "${Jemalloc_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${Jemalloc_INCLUDE_DIR}")
endif()
