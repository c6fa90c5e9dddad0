# try.sh 'sed expr' file targets...: mutate, build, run
. /work/h/env.sh; cd /work/h/proof
e=$1 f=$2; shift 2
r() { nice -n 19 ninja -C build/debug "$@" | grep -A4 "error:"; for t in "$@"; do timeout 60 $(find build/debug/tests -name $t -type f) 2>&1 | grep -v misuse | tail -${N:-4}; done; }
echo "-- as it is"; r "$@"
cp $f /tmp/proof.orig; sed -i "$e" $f; git diff --stat $f; echo "-- mutated"; r "$@"; cp /tmp/proof.orig $f
