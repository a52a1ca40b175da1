/* NVIDIA's driver of a machine with one GPU, as far as it is asked how many there are.
 *
 * Serves as libcuda.so.1 and as libnvidia-ml.so.1. Whoever begins to use CUDA leaves the number of
 * its process in the file that CUDA_BEGUN names: no child of it can use CUDA from then on.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int cuDriverGetVersion(int *version) {
  *version = 99000;
  return 0;
}

int cuInit(unsigned flags) {
  FILE *file = fopen(getenv("CUDA_BEGUN"), "a");
  fprintf(file, "%d\n", getpid());
  fclose(file);
  return 0;
}

int cuDeviceGetCount(int *count) {
  *count = 1;
  return 0;
}

/* CUDA's runtime wants the rest of the driver from here, and reports that there is none. */
int cuGetProcAddress(const char *name, void **address, int version, unsigned long long flags) {
  *address = NULL;
  return 500;
}

int nvmlInit(void) { return 0; }

int nvmlDeviceGetCount_v2(unsigned *count) {
  *count = 1;
  return 0;
}
