# SPDX-License-Identifier: MIT
# Finds Criterion, the framework of the tests: the target Criterion::criterion.
find_path(Criterion_INCLUDE_DIR criterion/criterion.h)
find_library(Criterion_LIBRARY criterion)
mark_as_advanced(Criterion_INCLUDE_DIR Criterion_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Criterion DEFAULT_MSG Criterion_LIBRARY Criterion_INCLUDE_DIR)

if(Criterion_FOUND AND NOT TARGET Criterion::criterion)
    add_library(Criterion::criterion UNKNOWN IMPORTED)
    set_target_properties(Criterion::criterion PROPERTIES
        IMPORTED_LOCATION "${Criterion_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${Criterion_INCLUDE_DIR}")
endif()
