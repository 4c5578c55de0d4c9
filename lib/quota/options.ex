defmodule Quota.Options do
  @moduledoc false
  # What callers may ask for, checked at once and in their own process.

  @smallest 64 * 1024
  @defaults [label: nil, timeout: :infinity, inherit: [], pool: nil, pool_timeout: 0]

  defstruct @defaults

  @doc "The smallest limit in bytes: the VM ignores or refuses smaller ones."
  def smallest, do: max(@smallest, Quota.Vm.min_heap_bytes())

  def validate!(limit, fun, opts) do
    limit!(limit)
    function!(fun)
    options!(opts)
  end

  defp limit!(limit) when is_integer(limit) do
    unless limit >= smallest() do
      raise ArgumentError,
            "the limit is in bytes and at least #{smallest()}, got: #{limit}. " <>
              "Quota.kib/1, mib/1 and gib/1 help"
    end
  end

  defp limit!(limit) do
    raise ArgumentError, "the limit is an integer, in bytes, got: #{inspect(limit)}"
  end

  defp function!(fun) when is_function(fun, 0), do: :ok

  defp function!(fun) do
    raise ArgumentError, "the work is a function of no arguments, got: #{inspect(fun)}"
  end

  defp options!([]), do: %__MODULE__{}

  defp options!(opts) do
    options = struct!(__MODULE__, Keyword.validate!(opts, @defaults))
    timeout!(options.timeout)
    inherit!(options.inherit)
    pool!(options)
    options
  end

  defp timeout!(:infinity), do: :ok
  defp timeout!(timeout) when is_integer(timeout) and timeout >= 0, do: :ok

  defp timeout!(timeout) do
    raise ArgumentError, ":timeout is in milliseconds, or :infinity, got: #{inspect(timeout)}"
  end

  defp pool!(%{pool: nil, pool_timeout: 0}), do: :ok

  defp pool!(%{pool: nil}) do
    raise ArgumentError, ":pool_timeout is how long to wait for a :pool, and there is none"
  end

  defp pool!(%{pool: pool}) when not is_atom(pool) do
    raise ArgumentError, ":pool is the name of a Quota.Pool, got: #{inspect(pool)}"
  end

  defp pool!(%{pool_timeout: :infinity}), do: :ok
  defp pool!(%{pool_timeout: timeout}) when is_integer(timeout) and timeout >= 0, do: :ok

  defp pool!(%{pool_timeout: timeout}) do
    raise ArgumentError,
          ":pool_timeout is in milliseconds, or :infinity, got: #{inspect(timeout)}"
  end

  defp inherit!(keys) when is_list(keys), do: :ok

  defp inherit!(keys) do
    raise ArgumentError, ":inherit is a list of process dictionary keys, got: #{inspect(keys)}"
  end
end
