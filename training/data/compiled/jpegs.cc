// Two TensorFlow operations for training on JPEGs. KresJpegSides reads sizes from the headers of files. KresJpegSquares
// cuts a square out of each: the pixels of decode_and_crop_jpeg, of a bilinear resize and of a flip, bit for bit, in one
// pass over the rows and without an image in between.
//
// They speak the C interfaces of TensorFlow and of libjpeg-turbo (as libjpeg 6.2), which outlive their versions.

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"
#include "tensorflow/core/platform/ctstring.h"

namespace {

constexpr int kChannels = 3;

// A pixel, and a value behind it that counts for nothing: four fill a vector register.
typedef float Pixel __attribute__((vector_size(16)));

struct Box {
  int32_t top, left, height, width;
};

// Which two places of a row (or column) an output place lies between, and how far from the lower one.
struct Place {
  int lower, upper;
  float share;
};

// As TensorFlow's kernel has them, with pixels' centres at a half.
void FindPlaces(int length, std::vector<Place>& places) {
  const float scale = static_cast<float>(length) / static_cast<float>(places.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const float at = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    const int below = at < 0 ? -1 : static_cast<int>(at);
    places[i] = {below < 0 ? 0 : below, below + 1 < length ? below + 1 : length - 1, at - static_cast<float>(below)};
  }
}

Pixel Load(const float* from) {
  Pixel pixel;
  std::memcpy(&pixel, from, sizeof pixel);
  return pixel;
}

// A row of pixels, and a value more, to another such.
void ResizeRow(const float* row, const std::vector<Place>& places, float* out) {
  for (const Place& place : places) {
    const Pixel lower = Load(row + kChannels * place.lower), upper = Load(row + kChannels * place.upper);
    const Pixel pixel = lower + (upper - lower) * place.share;
    std::memcpy(out, &pixel, sizeof pixel);
    out += kChannels;
  }
}

void BlendRows(const float* __restrict lower, const float* __restrict upper, float share, int count,
               uint8_t* __restrict out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(lower[i] + (upper[i] - lower[i]) * share + 0.5f);
}

// libjpeg ends the process at an error, unless its caller jumps back. So what frees memory lives in the frame that is
// jumped back to, `Open`'s, or before it.
struct Errors {
  jpeg_error_mgr manager;
  jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

void JumpBack(j_common_ptr info) {
  Errors* errors = reinterpret_cast<Errors*>(info->err);
  info->err->format_message(info, errors->message);
  longjmp(errors->back, 1);
}

void KeepSilent(j_common_ptr) {}

// Where a file ends too early, libjpeg would paint the rest grey.
boolean EndsTooEarly(j_decompress_ptr info) {
  ERREXIT(info, JERR_INPUT_EOF);
  return FALSE;
}

// Opens `bytes` and calls `read` with the header known; false, and the reason in `message`, where that goes wrong.
// Nothing that `read` makes may own memory: it is jumped out of.
template <typename Read>
bool Open(const TF_TString& bytes, char* message, Read read) {
  Errors errors;
  jpeg_decompress_struct info;
  info.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = JumpBack;
  errors.manager.output_message = KeepSilent;
  const bool whole = !setjmp(errors.back);
  if (whole) {
    jpeg_create_decompress(&info);
    const char* begin = TF_TString_GetDataPointer(&bytes);
    jpeg_mem_src(&info, reinterpret_cast<unsigned char*>(const_cast<char*>(begin)), TF_TString_GetSize(&bytes));
    info.src->fill_input_buffer = EndsTooEarly;
    jpeg_read_header(&info, TRUE);
    read(info);
  } else {
    std::memcpy(message, errors.message, sizeof errors.message);
  }
  jpeg_destroy_decompress(&info);
  return whole;
}

class Square {
 public:
  Square(Box box, int size, bool flip, uint8_t* out)
      : box_(box), size_(size), out_(out), across_(size), down_(size) {
    const int spare = std::min(box.height, box.width) / size;
    ratio_ = spare >= 8 ? 8 : spare >= 4 ? 4 : spare >= 2 ? 2 : 1;
    reduced_ = {box.top / ratio_, box.left / ratio_, box.height / ratio_, box.width / ratio_};
    FindPlaces(reduced_.width, across_);
    if (flip) std::reverse(across_.begin(), across_.end());
    FindPlaces(reduced_.height, down_);
    for (auto& row : rows_) row.resize(kChannels * size + 1);
  }

  void Read(jpeg_decompress_struct& info) {
    if (!Within(info)) ERREXIT(&info, JERR_BAD_CROP_SPEC);
    info.out_color_space = JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    info.scale_num = 1;
    info.scale_denom = ratio_;
    jpeg_start_decompress(&info);
    JDIMENSION left = reduced_.left, width = reduced_.width;
    jpeg_crop_scanline(&info, &left, &width);
    if (reduced_.top) jpeg_skip_scanlines(&info, reduced_.top);
    // To an aligned row libjpeg-turbo writes past the cache, and what is read next would have to come from memory.
    levels_.resize(kChannels * info.output_width + 1);
    row_.resize(kChannels * reduced_.width + 1);
    JSAMPROW levels = levels_.data() + 1;
    const uint8_t* begin = levels + kChannels * (reduced_.left - static_cast<int>(left));
    int read = 0;  // Of the rows before this one the last two are kept, each by its number's parity.
    for (int i = 0; i < size_; ++i) {
      for (; read <= down_[i].upper; ++read) {
        jpeg_read_scanlines(&info, &levels, 1);
        if (read < down_[i].lower) continue;
        std::copy(begin, begin + kChannels * reduced_.width, row_.begin());
        ResizeRow(row_.data(), across_, rows_[read & 1].data());
      }
      Write(i);
    }
  }

 private:
  bool Within(const jpeg_decompress_struct& info) const {
    const int64_t bottom = int64_t{box_.top} + box_.height, right = int64_t{box_.left} + box_.width;
    return box_.top >= 0 && box_.left >= 0 && box_.height > 0 && box_.width > 0 && bottom <= info.image_height &&
           right <= info.image_width;
  }

  void Write(int i) {
    uint8_t* out = out_ + kChannels * size_ * i;
    const float *lower = rows_[down_[i].lower & 1].data(), *upper = rows_[down_[i].upper & 1].data();
    BlendRows(lower, upper, down_[i].share, kChannels * size_, out);
  }

  Box box_;
  int size_;
  uint8_t* out_;
  int ratio_;
  Box reduced_;
  std::vector<Place> across_, down_;
  std::vector<uint8_t> levels_;
  std::vector<float> row_, rows_[2];
};

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

// Height and width of each file; zeros where it is none that KresJpegSquares decodes: grey or coloured, but not of inks.
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
    Open(files[i], message, [found](jpeg_decompress_struct& info) {
      if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK) return;
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
  const int64_t count = TF_TensorElementCount(contents), shape[] = {count, size, size, kChannels};
  if (TF_TensorElementCount(boxes) != 4 * count || TF_TensorElementCount(flips) != count)
    return call.Fail("each file takes a box of four numbers and a flip");
  auto* squares = call.Output<uint8_t>(TF_UINT8, shape, 4);
  if (!call.Good()) return;
  const auto* files = static_cast<TF_TString*>(TF_TensorData(contents));
  for (int64_t i = 0; i < count && call.Good(); ++i) {
    Square square(static_cast<Box*>(TF_TensorData(boxes))[i], size, static_cast<bool*>(TF_TensorData(flips))[i],
                  squares + i * size * size * kChannels);
    char message[JMSG_LENGTH_MAX];
    if (!Open(files[i], message, [&square](jpeg_decompress_struct& info) { square.Read(info); })) call.Fail(message);
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
