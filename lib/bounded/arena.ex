defmodule Bounded.Arena do
  @moduledoc false
  # The refusal path of every NIF that charges the caller's account.

  # `UNLIMITED` of the core.
  @unlimited 0xFFFF_FFFF_FFFF_FFFF

  @doc """
  Calls `nif`, a function of no arguments that may return `{:error, {:refused, {requested, limit, used}}}`.

  When it is refused, dead resources may only wait to be refunded: the process is collected, yields so
  that their destructors run, reports what it really holds, and tries once more. Collecting alone or
  yielding alone is not enough. Refused again, it raises `Quota.ExceededError`; `at_least` says that what `nif` asks for is
  only what it knows of so far.
  """
  def charged(nif, at_least \\ false) do
    case nif.() do
      {:error, {:refused, _}} ->
        :erlang.garbage_collect()
        :erlang.yield()
        Quota.Figures.observe_own()
        retry(nif, at_least)

      other ->
        other
    end
  end

  defp retry(nif, at_least) do
    case nif.() do
      {:error, {:refused, {requested, limit, _used}}} ->
        error = %{error(requested, limit) | at_least: at_least}
        Quota.Telemetry.breach(error, self(), nil, true)
        raise error

      other ->
        other
    end
  end

  # No account refused it.
  defp error(requested, @unlimited), do: Quota.ExceededError.system(requested)
  defp error(requested, limit), do: Quota.ExceededError.own(requested, limit)
end
