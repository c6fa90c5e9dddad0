import subprocess,sys,os,time,signal
prog=sys.argv[1]; n=int(sys.argv[2])
def kids(pid):
    out=[pid]
    r=subprocess.run(["ps","-o","pid=","--ppid",str(pid)],capture_output=True,text=True).stdout.split()
    for k in r: out+=kids(int(k))
    return out
hung=0
for i in range(n):
    p=subprocess.Popen(["taskset","-c","0","nice","-n","19",prog]+sys.argv[3:],stdout=subprocess.PIPE,stderr=subprocess.STDOUT,start_new_session=True)
    try: p.wait(60)
    except subprocess.TimeoutExpired:
        hung+=1
        print("HANG at",i,flush=True)
        for k in kids(p.pid):
            print("---- pid",k,flush=True)
            r=subprocess.run(["gdb","-p",str(k),"-batch","-ex","thread apply all bt 14"],capture_output=True,text=True)
            print("\n".join(l for l in r.stdout.split("\n") if l.startswith("#") or l.startswith("Thread")),flush=True)
        os.killpg(p.pid,9); p.wait()
        if hung>=2: break
        continue
    if p.returncode: print(i,"rc",p.returncode,p.stdout.read().decode()[-1500:],flush=True)
print("done",prog,hung,"hung of",i+1)
