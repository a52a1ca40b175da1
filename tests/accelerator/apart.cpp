// A device for torch that is told apart from the CPU as a GPU is, and computes on the CPU.
//
// Its tensors have memory that no operation of the CPU reads. Operations that get tensors of both,
// or a random generator of the CPU, fail as they do with CUDA. Everything is copied to the CPU,
// computed there and copied back, in bfloat16 under autocast where CUDA would do so.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_cpu_dispatch.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>

namespace {

using at::IntArrayRef;
using at::Tensor;
template <class T>
using Maybe = std::optional<T>;

constexpr auto TYPE = c10::DeviceType::PrivateUse1;
const c10::Device DEVICE(TYPE, 0);
constexpr c10::DispatchKeySet KEY(c10::DispatchKey::PrivateUse1);

std::atomic<size_t> held{0}, most{0};

size_t limit() {
  const char* bytes = std::getenv("APART_BYTES");
  return bytes ? std::stoull(bytes) : std::numeric_limits<size_t>::max();
}

struct Memory final : c10::Allocator {
  struct Block {
    c10::DataPtr data;
    size_t size;
  };

  c10::DataPtr allocate(size_t size) override {
    TORCH_CHECK_WITH(OutOfMemoryError, held + size <= limit(), "apart out of memory. Tried to allocate ",
                     size, " bytes.");
    auto* block = new Block{c10::GetCPUAllocator()->allocate(size), size};
    size_t now = held += size, before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    return {block->data.get(), block, &release, DEVICE};
  }

  static void release(void* context) {
    auto* block = static_cast<Block*>(context);
    held -= block->size;
    delete block;
  }

  void copy_data(void* to, const void* from, size_t size) const override {
    std::copy_n(static_cast<const char*>(from), size, static_cast<char*>(to));
  }
};

Memory memory;
REGISTER_ALLOCATOR(TYPE, &memory);

// There is one device with one queue, in which everything is done at once.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = TYPE;
  explicit Guard(c10::DeviceType = TYPE) {}
  c10::DeviceType type() const override { return TYPE; }
  c10::Device exchangeDevice(c10::Device) const override { return DEVICE; }
  c10::Device getDevice() const override { return DEVICE; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override { return queue(); }
  c10::Stream getDefaultStream(c10::Device) const override { return queue(); }
  c10::Stream exchangeStream(c10::Stream one) const noexcept override { return one; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

 private:
  static c10::Stream queue() { return c10::Stream(c10::Stream::DEFAULT, DEVICE); }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Generator final : at::CPUGeneratorImpl {
  Generator() : at::CPUGeneratorImpl(c10::default_rng_seed_val) {
    device_ = DEVICE;
    key_set_ = KEY;
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  at::Generator getNewGenerator(c10::DeviceIndex) const override {
    return at::make_generator<Generator>();
  }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static const at::Generator one = at::make_generator<Generator>();
    return one;
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t size) const override {
    auto* part = storage.unsafeGetStorageImpl();
    auto data = memory.allocate(size);
    memory.copy_data(data.get(), part->data(), std::min(size, part->nbytes()));
    part->set_data_ptr_noswap(std::move(data));
    part->set_nbytes(size);
  }
};

[[maybe_unused]] const bool registered = [] {
  at::RegisterPrivateUse1HooksInterface(new Hooks());
  return true;
}();

// The device's own memory, as a tensor of the CPU.
Tensor seen(const Tensor& one) {
  return at::from_blob(one.data_ptr(), one.sizes(), one.strides(),
                       at::TensorOptions().dtype(one.scalar_type()));
}

void check(const Tensor& one, const std::string& name) {
  // As with CUDA, numbers may come from the CPU.
  TORCH_CHECK(!one.defined() || !one.is_cpu() || one.dim() == 0, name,
              " expected all tensors to be on the same device, but found one of the CPU, ",
              one.sizes());
}

Tensor empty(IntArrayRef sizes, Maybe<at::ScalarType> type, Maybe<at::Layout>, Maybe<at::Device>,
             Maybe<bool>, Maybe<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &memory, KEY, c10::dtype_or_default(type), format);
}

Tensor empty_strided(IntArrayRef sizes, IntArrayRef strides, Maybe<at::ScalarType> type,
                     Maybe<at::Layout>, Maybe<at::Device>, Maybe<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, &memory, KEY,
                                           c10::dtype_or_default(type));
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  (to.is_cpu() ? to : seen(to)).copy_(from.is_cpu() ? from : seen(from));
  return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  at::native::resize_(to, from.sizes(), std::nullopt);
  return copy_from(from, to, false);
}

at::Scalar local_scalar_dense(const Tensor& one) { return seen(one).item(); }

Tensor convolution(const Tensor& input, const Tensor& weight, const Maybe<Tensor>& bias,
                   IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, bool transposed,
                   IntArrayRef output_padding, int64_t groups) {
  const Tensor offset = bias.value_or(Tensor());
  for (const auto& one : {input, weight, offset}) check(one, "convolution");
  return at::convolution(input.cpu(), weight.cpu(), offset.defined() ? offset.cpu() : offset,
                         stride, padding, dilation, transposed, output_padding, groups)
      .to(DEVICE);
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& gradient, const Tensor& input, const Tensor& weight, IntArrayRef stride,
    IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output_padding,
    int64_t groups, std::array<bool, 3> wanted) {
  for (const auto& one : {gradient, input, weight}) check(one, "convolution_backward");
  const int64_t channels = gradient.size(1);
  const auto [of_input, of_weight, of_bias] = at::convolution_backward(
      gradient.cpu(), input.cpu(), weight.cpu(), IntArrayRef(channels), stride, padding, dilation,
      transposed, output_padding, groups, wanted);
  const auto back = [](const Tensor& one) { return one.defined() ? one.to(DEVICE) : one; };
  return {back(of_input), back(of_weight), back(of_bias)};
}

// Every other operation.
void on_the_cpu(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const std::string& name = operation.schema().operator_name().name;
  const size_t first = stack->size() - operation.schema().arguments().size();
  // As with CUDA, places to read or write may come from the CPU.
  const bool placed = name.find("index") != std::string::npos;
  at::Generator ours, theirs;
  for (size_t place = first; place < stack->size(); ++place) {
    auto& value = (*stack)[place];
    if (value.isTensor() && !placed) {
      check(value.toTensor(), name);
    } else if (value.isTensorList()) {
      for (const Tensor& one : value.toTensorVector()) check(one, name);
    } else if (value.isGenerator() && value.toGenerator().defined()) {
      ours = value.toGenerator();
      TORCH_CHECK(ours.device() == DEVICE, name, " expected a generator of the device");
      theirs = at::make_generator<at::CPUGeneratorImpl>();
      theirs.set_state(ours.get_state());
      value = theirs;
    }
  }
  at::native::cpu_fallback(operation, stack);
  if (ours.defined()) ours.set_state(theirs.get_state());
}

// What torchvision does for CUDA: its operations compute in float32 under autocast.
void in_full(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard guard(c10::DispatchKey::AutocastPrivateUse1);
  const size_t first = stack->size() - operation.schema().arguments().size();
  const auto type = (*stack)[first].toTensor().scalar_type();
  for (size_t place = first; place < stack->size(); ++place) {
    auto& value = (*stack)[place];
    if (value.isTensor() && value.toTensor().is_floating_point())
      value = value.toTensor().to(at::kFloat);
  }
  operation.callBoxed(stack);
  auto& result = stack->back();
  if (result.toTensor().is_floating_point()) result = result.toTensor().to(type);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("_local_scalar_dense", local_scalar_dense);
  library.impl("convolution_overrideable", convolution);
  library.impl("convolution_backward_overrideable", convolution_backward);
  // Views share memory, so they cannot be computed elsewhere.
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", at::native::view);
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("unfold", at::native::unfold);
  library.impl("resize_", at::native::resize_);
  library.impl("set_.source_Tensor", at::native::set_tensor_);
  library.impl("set_.source_Storage",
               [](Tensor& one, at::Storage source) -> Tensor& { return at::native::set_(one, source); });
  library.impl("set_.source_Storage_storage_offset",
               [](Tensor& one, at::Storage source, int64_t offset, IntArrayRef sizes,
                  IntArrayRef strides) -> Tensor& {
                 return at::cpu::set_(one, source, offset, sizes, strides);
               });
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_cpu>());
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFallthrough());
}

namespace at::autocast {
#define LOWER(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define FULL(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define WIDEST(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)
TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  AT_FORALL_LOWER_PRECISION_FP(LOWER)
  AT_FORALL_FP32(FULL)
  AT_FORALL_PROMOTE(WIDEST)
}
}  // namespace at::autocast

TORCH_LIBRARY_IMPL(torchvision, AutocastPrivateUse1, library) {
  library.impl("nms", torch::CppFunction::makeFromBoxedFunction<&in_full>());
  library.impl("roi_align", torch::CppFunction::makeFromBoxedFunction<&in_full>());
}

extern "C" size_t most_memory() { return most; }
