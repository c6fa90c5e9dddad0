# SPDX-License-Identifier: MIT
# The parts of this project that are chosen by an option: ON is built or is an
# error, OFF is not built, and AUTO is built if what it needs is here.

# tw_part(name default "what it is"): declares the option. As with option(), a
# variable of the project that contains this one decides, if there is one.
function(tw_part name default text)
    if(NOT DEFINED ${name})
        set(${name} ${default} CACHE STRING "${text}: AUTO (if what it needs is here), ON or OFF")
        set_property(CACHE ${name} PROPERTY STRINGS AUTO ON OFF)
    endif()
endfunction()

# tw_settle(name "what it is" [package variable]...)
# Makes the option ON or OFF. Each variable is true if what Debian's package
# brings was found.
function(tw_settle name text)
    if(NOT ${name})
        return()
    endif()
    set(lacking)
    while(ARGN)
        list(POP_FRONT ARGN package found)
        if(NOT ${found})
            list(APPEND lacking ${package})
        endif()
    endwhile()
    list(JOIN lacking ", " names)
    if(NOT lacking)
        set(${name} ON PARENT_SCOPE)
    elseif(${name} STREQUAL "AUTO")
        message(STATUS "tickwheel: ${text} left out, not installed: ${names}")
        set(${name} OFF PARENT_SCOPE)
    else()
        message(FATAL_ERROR "${name} is ON, and not installed, by the names of Debian's "
                            "packages: ${names}. Install them, or set ${name}=OFF.")
    endif()
endfunction()
