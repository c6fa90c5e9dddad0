cd /work/h/proof
for i in $(seq 1 $2); do
  timeout -s ABRT 60 taskset -c 0 nice -n 19 build/tsan/tests/runner/$1 > hang-$1.out 2>&1
  rc=$?; [ $rc = 0 ] || { echo "run $i: rc $rc"; tail -20 hang-$1.out; cp hang-$1.out hang-$1-$i.out; }
done; echo done $1
