"""Autobahn cases against the WebSockets of engineio. Usage: python run.py PROGRAM, where PROGRAM is main.rs, built."""

import asyncio
import collections
import sys
import time

import kosoku
import kosoku.cases

# Groups 12 and 13 test permessage-deflate: they take longer than the time of this stage.
LEFT_OUT = ("12", "13")
EXCLUDED = [f"{group}.*" for group in LEFT_OUT]
CASES = [case for case in kosoku.cases.CASES if case.split(".")[0] not in LEFT_OUT]
# Number of simultaneous cases. Most of them wait for seconds.
CONCURRENCY = 16
# Timeout for all cases of the server or the client, in seconds.
LIMIT = 150
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


async def program(*arguments):
    return await asyncio.create_subprocess_exec(sys.argv[1], *arguments, stdout=asyncio.subprocess.PIPE)


async def end(process):
    if process.returncode is None:
        process.kill()
    await process.wait()


async def of_server():
    process = await program("serve")
    try:
        port = int(await process.stdout.readline())
        url = f"ws://127.0.0.1:{port}"
        return await kosoku.run_fuzzingclient(url, exclude_cases=EXCLUDED, concurrency=CONCURRENCY)
    finally:
        await end(process)


async def of_client():
    async with kosoku.run_fuzzingserver(exclude_cases=EXCLUDED, host="127.0.0.1", port=0) as server:
        process = await program("visit", str(server.port), str(CONCURRENCY))
        try:
            return await server.get_result()
        finally:
            await end(process)


async def judge(name, run):
    """Prints the number of cases with each verdict. Returns whether all are good."""
    begun = time.monotonic()
    try:
        results = await asyncio.wait_for(run(), LIMIT)
    except kosoku.FailureError as failure:
        results = failure.results
    except TimeoutError:
        print(f"{name}: not all cases ended within {LIMIT} s")
        return False
    seconds = time.monotonic() - begun
    counts = collections.Counter(result.behavior.value for result in results)
    bad = [
        result
        for result in results
        if result.behavior.value not in GOOD or result.behavior_close.value not in GOOD
    ]
    missing = sorted(set(CASES) - {result.case_id for result in results})
    for result in bad:
        print(f"  {result.case_id}: {result.behavior.value}, {result.result}")
        print(f"    closing: {result.behavior_close.value}, {result.result_close}")
    if missing:
        print(f"  no result of {', '.join(missing)}")
    counted = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{name}: {len(results)} of {len(CASES)} cases in {seconds:.0f} s: {counted}; {len(bad)} bad")
    return not bad and not missing


async def main():
    good = [await judge("server", of_server), await judge("client", of_client)]
    sys.exit(not all(good))


asyncio.run(main())
