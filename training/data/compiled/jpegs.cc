// Two TensorFlow operations for training on JPEGs. KresJpegSides reads sizes from the headers of files, and KresJpegSquares
// cuts a square out of each. They speak TensorFlow's C interface, which outlives its versions.

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "jpeg_square.h"

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"
#include "tensorflow/core/platform/ctstring.h"

namespace {

constexpr unsigned char kMagic[] = {0xFF, 0xD8, 0xFF};
constexpr int32_t kLargest = 16384;

// One run of an operation: what it takes and gives back, and whether all is well so far.
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}

  ~Call() {
    if (!Good()) TF_OpKernelContext_Failure(context_, status_);
    for (TF_Tensor* tensor : tensors_) TF_DeleteTensor(tensor);
    TF_DeleteStatus(status_);
  }

  bool Good() const { return TF_GetCode(status_) == TF_OK; }

  void Fail(const char* message) { TF_SetStatus(status_, TF_INVALID_ARGUMENT, message); }

  TF_Tensor* Input(int number) {
    TF_Tensor* tensor = nullptr;
    if (Good()) TF_GetInput(context_, number, &tensor, status_);
    if (tensor) tensors_.push_back(tensor);
    return tensor;
  }

  template <typename T>
  T* Output(TF_DataType type, const int64_t* shape, int rank) {
    size_t bytes = sizeof(T);
    for (int axis = 0; axis < rank; ++axis) bytes *= shape[axis];
    TF_Tensor* tensor = TF_AllocateOutput(context_, 0, type, shape, rank, bytes, status_);
    if (!tensor) return nullptr;
    tensors_.push_back(tensor);
    return static_cast<T*>(TF_TensorData(tensor));
  }

 private:
  TF_OpKernelContext* context_;
  TF_Status* status_;
  std::vector<TF_Tensor*> tensors_;
};

// Height and width of each file; zeros where it is no common JPEG.
void Sides(void*, TF_OpKernelContext* context) {
  Call call(context);
  TF_Tensor* contents = call.Input(0);
  if (!call.Good()) return;
  const int64_t count = TF_TensorElementCount(contents), shape[] = {count, 2};
  auto* sides = call.Output<int32_t>(TF_INT32, shape, 2);
  if (!call.Good()) return;
  const auto* files = static_cast<TF_TString*>(TF_TensorData(contents));
  for (int64_t i = 0; i < count; ++i) {
    int32_t* found = sides + 2 * i;
    found[0] = found[1] = 0;
    char message[JMSG_LENGTH_MAX];
    const char* bytes = TF_TString_GetDataPointer(files + i);
    const size_t length = TF_TString_GetSize(files + i);
    if (length < sizeof kMagic || std::memcmp(bytes, kMagic, sizeof kMagic) != 0) continue;
    Open(bytes, length, message, [found](jpeg_decompress_struct& info) {
      if (!IsCommon(info)) return;
      found[0] = info.image_height;
      found[1] = info.image_width;
    });
  }
}

void Squares(void* kernel, TF_OpKernelContext* context) {
  const int32_t size = *static_cast<int32_t*>(kernel);
  Call call(context);
  TF_Tensor *contents = call.Input(0), *boxes = call.Input(1), *flips = call.Input(2);
  if (!call.Good()) return;
  if (size > kLargest) return call.Fail("a square is at most 16384 pixels wide");
  const int64_t count = TF_TensorElementCount(contents), shape[] = {count, size, size, kChannels};
  if (TF_TensorElementCount(boxes) != 4 * count || TF_TensorElementCount(flips) != count)
    return call.Fail("each file takes a box of four numbers and a flip");
  auto* squares = call.Output<uint8_t>(TF_UINT8, shape, 4);
  if (!call.Good()) return;
  const auto* files = static_cast<TF_TString*>(TF_TensorData(contents));
  for (int64_t i = 0; i < count && call.Good(); ++i) {
    const Box box = static_cast<Box*>(TF_TensorData(boxes))[i];
    if (box.top < 0 || box.left < 0 || box.height < 1 || box.width < 1) return call.Fail("a box lies in no image");
    Square square(box, size, static_cast<bool*>(TF_TensorData(flips))[i], squares + i * size * size * kChannels);
    const char* bytes = TF_TString_GetDataPointer(files + i);
    char message[JMSG_LENGTH_MAX];
    if (!Open(bytes, TF_TString_GetSize(files + i), message, [&](jpeg_decompress_struct& info) { square.Read(info); }))
      call.Fail(message);
  }
}

void* Create(TF_OpKernelConstruction* construction) {
  auto* size = new int32_t(0);
  TF_Status* status = TF_NewStatus();
  TF_OpKernelConstruction_GetAttrInt32(construction, "size", size, status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  return size;
}

void Delete(void* size) { delete static_cast<int32_t*>(size); }

TF_OpDefinitionBuilder* Define(const char* name, std::initializer_list<const char*> inputs, const char* output) {
  TF_OpDefinitionBuilder* operation = TF_NewOpDefinitionBuilder(name);
  for (const char* input : inputs) TF_OpDefinitionBuilderAddInput(operation, input);
  TF_OpDefinitionBuilderAddOutput(operation, output);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(operation, &TF_ShapeInferenceContextSetUnknownShape);
  return operation;
}

[[maybe_unused]] const bool registered = [] {
  TF_Status* status = TF_NewStatus();
  const char *sides = "KresJpegSides", *squares = "KresJpegSquares";
  TF_RegisterOpDefinition(Define(sides, {"contents: string"}, "sides: int32"), status);
  TF_RegisterKernelBuilder(sides, TF_NewKernelBuilder(sides, "CPU", nullptr, Sides, nullptr), status);
  TF_OpDefinitionBuilder* operation =
      Define(squares, {"contents: string", "boxes: int32", "flips: bool"}, "squares: uint8");
  TF_OpDefinitionBuilderAddAttr(operation, "size: int >= 1");
  TF_RegisterOpDefinition(operation, status);
  TF_RegisterKernelBuilder(squares, TF_NewKernelBuilder(squares, "CPU", Create, Squares, Delete), status);
  TF_DeleteStatus(status);
  return true;
}();

}  // namespace
