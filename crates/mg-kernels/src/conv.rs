use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, Layout, MetalStorage, Shape, Tensor};

use crate::expect::expect;
use crate::format::Whole;
use crate::{ConvGeometry, Result, cpu_conv, tensor_conv};

/// Convolution: `x [n, c_in, s, s]`, `weight [c_out, c_in, k, k]` -> `[n, c_out, out, out]`.
///
/// Differentiable in both arguments through candle's autograd; the gradient of an argument that is not tracked is
/// never computed.
///
/// # Errors
/// Shapes that do not match `geometry`, different element types, or candle's own errors.
pub fn conv2d(x: &Tensor, weight: &Tensor, geometry: &ConvGeometry) -> Result<Tensor> {
    let side = square(x)?;
    expect("x", x, &[0, geometry.c_in, side, side], weight.dtype())?;
    expect("weight", weight, &geometry.weight_dims(), x.dtype())?;
    geometry.out_side(side)?;
    let y = match kind(x) {
        Kind::F32 => cpu_conv::conv2d::<Whole<f32>>(x, weight, geometry)?,
        Kind::F64 => cpu_conv::conv2d::<Whole<f64>>(x, weight, geometry)?,
        Kind::Other => tensor_conv::conv2d(&x.detach(), &weight.detach(), geometry)?,
    };
    Form { role: Role::Output, geometry: *geometry, side }.attach(x, weight, y)
}

/// The adjoint of [`conv2d`] in its input, `<conv2d(x, w), dy> = <x, conv2d_input_adjoint(dy, w)>`:
/// `dy [n, c_out, out, out]`, `weight [c_out, c_in, k, k]` -> `[n, c_in, side, side]`.
///
/// Differentiable in both arguments.
///
/// # Errors
/// As [`conv2d`].
pub fn conv2d_input_adjoint(
    dy: &Tensor,
    weight: &Tensor,
    geometry: &ConvGeometry,
    side: usize,
) -> Result<Tensor> {
    let out = geometry.out_side(side)?;
    expect("dy", dy, &[0, geometry.c_out, out, out], weight.dtype())?;
    expect("weight", weight, &geometry.weight_dims(), dy.dtype())?;
    let dx = match kind(dy) {
        Kind::F32 => cpu_conv::input_adjoint::<Whole<f32>>(dy, weight, geometry, side)?,
        Kind::F64 => cpu_conv::input_adjoint::<Whole<f64>>(dy, weight, geometry, side)?,
        Kind::Other => {
            let kernel = tensor_conv::adjoint_kernel(&weight.detach(), geometry)?;
            tensor_conv::input_adjoint(&dy.detach(), &kernel, geometry, side)?
        }
    };
    Form { role: Role::Input, geometry: *geometry, side }.attach(dy, weight, dx)
}

/// The adjoint of [`conv2d`] in its weight, `<conv2d(x, w), dy> = <w, conv2d_weight_adjoint(x, dy)>`:
/// `x [n, c_in, s, s]`, `dy [n, c_out, out, out]` -> `[c_out, c_in, k, k]`.
///
/// Differentiable in both arguments.
///
/// # Errors
/// As [`conv2d`].
pub fn conv2d_weight_adjoint(x: &Tensor, dy: &Tensor, geometry: &ConvGeometry) -> Result<Tensor> {
    let side = square(x)?;
    let out = geometry.out_side(side)?;
    expect("x", x, &[0, geometry.c_in, side, side], dy.dtype())?;
    expect("dy", dy, &[x.dim(0)?, geometry.c_out, out, out], x.dtype())?;
    let dw = match kind(x) {
        Kind::F32 => cpu_conv::weight_adjoint::<Whole<f32>>(x, dy, geometry)?,
        Kind::F64 => cpu_conv::weight_adjoint::<Whole<f64>>(x, dy, geometry)?,
        Kind::Other => tensor_conv::weight_adjoint(&x.detach(), &dy.detach(), geometry)?,
    };
    Form { role: Role::Weight, geometry: *geometry, side }.attach(x, dy, dw)
}

/// Which code computes on a tensor: the kernels in f32 or f64, or candle's operations.
enum Kind {
    F32,
    F64,
    Other,
}

fn kind(x: &Tensor) -> Kind {
    match (x.device().is_cpu(), x.dtype()) {
        (true, DType::F32) => Kind::F32,
        (true, DType::F64) => Kind::F64,
        _ => Kind::Other,
    }
}

fn square(x: &Tensor) -> Result<usize> {
    Ok(x.dims4()?.3)
}

/// The three operations are the partial derivatives of one trilinear form, `<dy, conv2d(x, w)>`; this says which one.
#[derive(Clone, Copy)]
enum Role {
    Output,
    Input,
    Weight,
}

/// One of the three operations, as a node of candle's graph.
struct Form {
    role: Role,
    geometry: ConvGeometry,
    side: usize,
}

impl Form {
    /// Makes `result`, already computed from `a` and `b`, differentiable in them.
    fn attach(self, a: &Tensor, b: &Tensor, result: Tensor) -> Result<Tensor> {
        if !a.track_op() && !b.track_op() {
            return Ok(result);
        }
        Ok(a.apply_op3(b, &result.contiguous()?, self)?)
    }
}

impl CustomOp3 for Form {
    fn name(&self) -> &'static str {
        match self.role {
            Role::Output => "conv2d",
            Role::Input => "conv2d-input-adjoint",
            Role::Weight => "conv2d-weight-adjoint",
        }
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        result: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((result.try_clone(layout)?, layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        result: &CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        Ok((result.try_clone(layout)?, layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        result: &MetalStorage,
        layout: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        Ok((result.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Self { geometry, side, .. } = self;
        let for_a = || match self.role {
            Role::Output => conv2d_input_adjoint(g, b, geometry, *side),
            Role::Input => conv2d(g, b, geometry),
            Role::Weight => conv2d_input_adjoint(b, g, geometry, *side),
        };
        let for_b = || match self.role {
            Role::Output => conv2d_weight_adjoint(a, g, geometry),
            Role::Input => conv2d_weight_adjoint(g, a, geometry),
            Role::Weight => conv2d(a, g, geometry),
        };
        let for_a = a.track_op().then(for_a).transpose()?;
        let for_b = b.track_op().then(for_b).transpose()?;
        Ok((for_a, for_b, None))
    }
}
