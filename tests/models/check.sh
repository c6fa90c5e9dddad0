#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh MODEL.pml WORK: the model must hold, and each of its broken variants must
# not: one that the checker lets pass would mean that the model says nothing.
set -u
model=$1
work=$2
mkdir -p "$work" && cp "$model" "$work/model.pml" && cd "$work" || exit 2

# Prints pan's report; 0: no error, 1: an error, 2: it could not be checked.
verify() {
    rm -f pan pan.* model.pml.trail report
    spin -a -DBROKEN="$1" model.pml >report 2>&1 &&
        ${CC:-cc} -O2 -w -DSAFETY -DVECTORSZ=2048 -DMEMLIM=2000 -o pan pan.c || {
            cat report
            return 2
        }
    ./pan -m200000 -w22 >report 2>&1
    grep -q 'max search depth too small\|out of memory\|-DMEMLIM' report && return 2
    grep -q 'errors: 0' report && return 0
    grep -q 'errors: [1-9]' report && return 1
    return 2
}

verify 0
case $? in
0) sed -n 's/^ *\([0-9]*\) states, stored.*/holds: \1 states/p' report ;;
1) cat report; spin -t -p -DBROKEN=0 model.pml | tail -n 60; echo "the model does not hold"; exit 1 ;;
*) cat report; exit 1 ;;
esac
for variant in $(sed -n 's/.*BROKEN=\([0-9]*\):.*/\1/p' model.pml); do
    verify "$variant"
    case $? in
    1) echo "BROKEN=$variant is refused: $(sed -n 's/^pan:[0-9]*: //p' report | head -n 1)" ;;
    0) echo "BROKEN=$variant passes: the checker sees nothing wrong with it"; exit 1 ;;
    *) cat report; exit 1 ;;
    esac
done
