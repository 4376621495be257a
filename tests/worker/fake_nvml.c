/* A stand-in for NVIDIA's management library: as many GPUs, and as busy, as a text file says at the moment.
 *
 * The file named by FAKE_NVML_STATE is read anew at every call, so that a test can change it while a program runs:
 *
 *     gpu <total MiB> <used MiB> <utilisation %>
 *     process <number of its gpu> <pid> <used MiB> <utilisation %>
 *
 * Names and layouts are those of nvml.h, which nvidia-ml-py and Ray's own copy of it load by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, UNKNOWN = 999 };
enum { MOST = 16 };
static const unsigned long long MIB = 1024ull * 1024ull;

typedef struct { unsigned number; } device;
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned gpu, memory; } rates;
typedef struct { unsigned pid; unsigned long long used; unsigned instance, part; } process;
typedef struct { unsigned pid; unsigned long long at_us; unsigned sm, memory, encoder, decoder; } share;

typedef struct { double total, used, busy; } gpu_row;
typedef struct { unsigned gpu, pid; double used, busy; } process_row;
typedef struct { unsigned n_gpus, n_processes; gpu_row gpus[MOST]; process_row processes[MOST]; } state;

static device devices[MOST];
static unsigned long long clock_us;

static int read_state(state *now) {
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[256];
    memset(now, 0, sizeof *now);
    if (!file) return UNKNOWN;
    while (fgets(line, sizeof line, file)) {
        gpu_row gpu;
        process_row row;
        if (now->n_gpus < MOST && sscanf(line, "gpu %lf %lf %lf", &gpu.total, &gpu.used, &gpu.busy) == 3)
            now->gpus[now->n_gpus++] = gpu;
        else if (now->n_processes < MOST
                 && sscanf(line, "process %u %u %lf %lf", &row.gpu, &row.pid, &row.used, &row.busy) == 4)
            now->processes[now->n_processes++] = row;
    }
    fclose(file);
    return SUCCESS;
}

static int read_gpu(const device *gpu, gpu_row *row) {
    state now;
    int result = read_state(&now);
    if (result) return result;
    if (gpu->number >= now.n_gpus) return INVALID_ARGUMENT;
    *row = now.gpus[gpu->number];
    return SUCCESS;
}

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int result) { return result ? "as the test wants it" : "success"; }

int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "570.00"); return SUCCESS; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    state now;
    int result = read_state(&now);
    *count = now.n_gpus;
    return result;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned number, device **gpu) {
    state now;
    int result = read_state(&now);
    if (result) return result;
    if (number >= now.n_gpus) return INVALID_ARGUMENT;
    devices[number].number = number;
    *gpu = &devices[number];
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, device **gpu) {
    unsigned number;
    return sscanf(uuid, "GPU-test-%u", &number) == 1 ? nvmlDeviceGetHandleByIndex_v2(number, gpu) : NOT_FOUND;
}

int nvmlDeviceGetIndex(const device *gpu, unsigned *number) { *number = gpu->number; return SUCCESS; }

int nvmlDeviceGetName(const device *gpu, char *text, unsigned size) {
    (void)gpu;
    snprintf(text, size, "NVIDIA L4");
    return SUCCESS;
}

int nvmlDeviceGetUUID(const device *gpu, char *text, unsigned size) {
    snprintf(text, size, "GPU-test-%u", gpu->number);
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(const device *gpu, memory *info) {
    gpu_row row;
    int result = read_gpu(gpu, &row);
    if (result) return result;
    info->total = (unsigned long long)row.total * MIB;
    info->used = (unsigned long long)row.used * MIB;
    info->free = info->total - info->used;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(const device *gpu, memory_v2 *info) {
    memory plain;
    int result = nvmlDeviceGetMemoryInfo(gpu, &plain);
    if (result) return result;
    info->total = plain.total;
    info->used = plain.used;
    info->free = plain.free;
    info->reserved = 0;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(const device *gpu, rates *busy) {
    gpu_row row;
    int result = read_gpu(gpu, &row);
    if (result) return result;
    busy->gpu = (unsigned)row.busy;
    busy->memory = 0;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(const device *gpu, unsigned *count, process *found) {
    state now;
    unsigned n = 0, room = *count;
    int result = read_state(&now);
    if (result) return result;
    for (unsigned i = 0; i < now.n_processes; i++) {
        if (now.processes[i].gpu != gpu->number) continue;
        if (found && n < room) {
            memset(&found[n], 0, sizeof found[n]);
            found[n].pid = now.processes[i].pid;
            found[n].used = (unsigned long long)now.processes[i].used * MIB;
        }
        n++;
    }
    *count = n;
    return n > room || (n && !found) ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(const device *gpu, unsigned *count, process *found) {
    (void)gpu, (void)found;
    *count = 0;
    return SUCCESS;
}

int nvmlDeviceGetProcessUtilization(const device *gpu, share *found, unsigned *count, unsigned long long since_us) {
    state now;
    unsigned n = 0, room = *count;
    int result = read_state(&now);
    if (result) return result;
    if (found) clock_us = (clock_us > since_us ? clock_us : since_us) + 1;
    for (unsigned i = 0; i < now.n_processes; i++) {
        if (now.processes[i].gpu != gpu->number) continue;
        if (found && n < room) {
            memset(&found[n], 0, sizeof found[n]);
            found[n].pid = now.processes[i].pid;
            found[n].at_us = clock_us;
            found[n].sm = (unsigned)now.processes[i].busy;
        }
        n++;
    }
    *count = n;
    if (!n) return NOT_FOUND;
    return n > room || !found ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetPowerUsage(const device *gpu, unsigned *milliwatts) { (void)gpu, (void)milliwatts; return NOT_SUPPORTED; }
int nvmlDeviceGetTemperature(const device *gpu, int sensor, unsigned *degrees) {
    (void)gpu, (void)sensor, (void)degrees;
    return NOT_SUPPORTED;
}
int nvmlDeviceGetMigMode(const device *gpu, unsigned *now, unsigned *next) {
    (void)gpu, (void)now, (void)next;
    return NOT_SUPPORTED;
}
